package import LinuxSystem

/// Decides what may happen to a container in its state, and what has to be done then.
///
/// It does nothing itself. What changes a container is read, decided on and written in one transaction of the database,
/// so that of several commands each sees what the others have made of it.
package struct ContainerMachine: Sendable, Hashable {
    package enum Event: Sendable, Hashable {
        /// A process sets about starting it.
        case prepare(keeper: ProcessReference?)
        case connected(ContainerState.Network)
        case confined(controlGroups: [String], deviceGroup: String?)
        case started(ContainerState.Run)
        case checked(ContainerHealth)
        /// It is to be started again once it has ended.
        case restart
        /// Its place in the network is given back.
        case disconnected
        /// Its cgroups are given back, and it runs no more.
        case ended(ContainerState.Ending)
        /// It could not be started; what it had is given back.
        case failed(ContainerState.Failure)
        case remove
    }

    package enum Action: Sendable, Hashable {
        /// Note the exit code for those who wait for the container.
        case note(exitCode: CInt)
        /// Remove it: it goes with its end.
        case discard
    }

    package enum Refusal: Error, Hashable {
        case isRunning
        /// Another process is about to start it.
        case isBeingPrepared
        case isBeingRemoved
        /// It does not run, and is not about to.
        case isNotActive
    }

    package private(set) var state: ContainerState
    private let isRemovedAtEnd: Bool

    /// - Parameters:
    ///   - state: where the container is.
    ///   - isRemovedAtEnd: whether it goes with its end.
    package init(_ state: ContainerState, isRemovedAtEnd: Bool) {
        self.state = state
        self.isRemovedAtEnd = isRemovedAtEnd
    }

    /// Takes in what has happened, or what a command asks for.
    /// - Returns: what is to be done, in this order, when the new state is kept.
    /// - Throws: `Refusal`; nothing has changed then.
    package mutating func receive(_ event: Event) throws(Refusal) -> [Action] {
        switch event {
        case .prepare(let keeper): try prepare(keeper)
        case .connected(let network): try whilePreparing { $0.network = network }
        case .confined(let groups, let device):
            try whilePreparing { ($0.controlGroups, $0.deviceGroup) = (groups, device) }
        case .started(let run): try whilePreparing { $0.phase = .running(run) }
        case .checked(let health): try whileRunning { $0.health = health }
        case .restart: try whileRunning { $0.isRestarting = true }
        case .disconnected: state.network = nil
        case .ended(let ending): return try end(ending)
        case .failed(let failure): return try fail(failure)
        case .remove: try remove()
        }
        return []
    }

    private mutating func prepare(_ keeper: ProcessReference?) throws(Refusal) {
        switch state.phase {
        case .created, .exited:
            state = ContainerState()
            state.phase = .preparing(keeper: keeper)
        case .preparing: throw .isBeingPrepared
        case .running: throw .isRunning
        case .removing: throw .isBeingRemoved
        }
    }

    private mutating func whilePreparing(_ change: (inout ContainerState) -> Void) throws(Refusal) {
        switch state.phase {
        case .preparing: change(&state)
        case .running: throw .isRunning
        case .removing: throw .isBeingRemoved
        case .created, .exited: throw .isNotActive
        }
    }

    private mutating func whileRunning(_ change: (inout ContainerState.Run) -> Void) throws(Refusal) {
        guard case .running(var run) = state.phase else { throw .isNotActive }
        change(&run)
        state.phase = .running(run)
    }

    private mutating func end(_ given: ContainerState.Ending) throws(Refusal) -> [Action] {
        var ending = given
        switch state.phase {
        case .running(let run): (ending.started, ending.isRestarting) = (run.started, run.isRestarting)
        case .preparing: break
        case .removing: throw .isBeingRemoved
        case .created, .exited: throw .isNotActive
        }
        state = ContainerState()
        state.phase = .exited(ending)
        let goes = isRemovedAtEnd && !ending.isRestarting
        return [.note(exitCode: ending.exitCode)] + (goes ? [.discard] : [])
    }

    private mutating func fail(_ failure: ContainerState.Failure) throws(Refusal) -> [Action] {
        switch state.phase {
        case .running, .preparing: break
        case .removing: throw .isBeingRemoved
        case .created, .exited: throw .isNotActive
        }
        state = ContainerState()
        state.phase = .created(failure)
        return [.note(exitCode: failure.exitCode)] + (isRemovedAtEnd ? [.discard] : [])
    }

    private mutating func remove() throws(Refusal) {
        switch state.phase {
        case .created: state.phase = .removing(after: nil)
        case .exited(let ending): state.phase = .removing(after: ending)
        case .removing: break
        case .preparing: throw .isBeingPrepared
        case .running: throw .isRunning
        }
    }
}
