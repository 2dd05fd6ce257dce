package import Containers
internal import LinuxSystem
internal import Text

/// What ps(1) says of the processes of a container.
package struct ProcessTable: Sendable, Hashable {
    /// Why there is none.
    package enum Failure: Error, Sendable, Hashable, CustomStringConvertible {
        case refused(String)
        case noNumbers

        package var description: String {
            switch self {
            case .refused(let reason): "ps: \(reason)"
            case .noNumbers: "couldn't find PID field in ps output"
            }
        }
    }

    package let titles: [String]
    package let rows: [[String]]

    /// - Parameters:
    ///   - container: one that runs.
    ///   - containers: where it is kept.
    ///   - options: of ps(1).
    /// - Throws: `Failure`, `ContainerError.notRunning`.
    package init(of container: ContainerRecord, in containers: ContainerStore, options: [String]) async throws {
        let processes = try await containers.processes(of: container)
        // By number, as many options select no process; others exclude that.
        let numbers = processes.sorted().map { "\($0)" }.joined(separator: ",")
        var listed = try await ChildProcess.run(ChildProcessConfiguration(.named("ps"), options + ["-q\(numbers)"]))
        if !listed.status.isSuccess {
            listed = try await ChildProcess.run(ChildProcessConfiguration(.named("ps"), options))
        }
        guard listed.status.isSuccess else {
            throw Failure.refused(escapedForDisplay(Array(listed.errors.prefix { $0 != "\n" })))
        }
        try self.init(parsing: String(decoding: listed.output, as: UTF8.self), processes: processes)
    }

    /// The lines of ps(1) that are about some processes.
    package init(parsing text: String, processes: Set<Int32>) throws(Failure) {
        let lines = text.split(separator: "\n")
        titles = (lines.first ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
        guard let column = titles.firstIndex(of: "PID") else { throw .noNumbers }
        var rows: [[String]] = []
        for line in lines.dropFirst() {
            // The last column, the command, has blanks of its own.
            let fields = line.split(maxSplits: titles.count - 1, whereSeparator: \.isWhitespace).map(String.init)
            guard fields.count > column, let number = Int32(fields[column]), processes.contains(number) else {
                continue
            }
            rows.append(fields)
        }
        self.rows = rows
    }
}
