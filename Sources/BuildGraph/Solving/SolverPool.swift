internal import LinuxSystem

/// What all solves of a process have in common: how many vertices run at the same time, and which do.
///
/// Solves of one member, and of different ones, run equal vertices with equal keys once.
package final class SolverPool<Output: Sendable>: Sendable {
    let slots: Slots
    let executions = Executions<Ran<Output>>()

    /// - Parameter parallelism: How many vertices run, or are read for their content, at the same time. By default two
    ///   for each processor.
    package init(parallelism: Int = 2 * availableProcessorCount()) { slots = Slots(count: parallelism) }

    /// Admits a build, whose vertices run with what it has: its secrets, its directories, what it holds.
    package func admit() -> Member { Member(pool: self) }

    /// A build that shares what it runs with the others.
    package final class Member: Sendable {
        let pool: SolverPool
        var id: ObjectIdentifier { ObjectIdentifier(self) }

        init(pool: SolverPool) { self.pool = pool }

        /// Whether nothing runs any more that this member began.
        package var isQuiet: Bool { pool.executions.tasks(of: id).isEmpty }

        /// Waits until nothing runs any more that this member began: another one may have joined it, and it runs with
        /// what this one has.
        package func untilQuiet() async {
            for task in pool.executions.tasks(of: id) { await task.value }
        }
    }
}
