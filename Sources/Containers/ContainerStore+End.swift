import GRDB
import LinuxSystem
import Storage
import SystemPackage

extension ContainerStore {
    /// Asks a container to end with its stop signal and, after a time in seconds, makes it; nil is the container's own time.
    package func stop(_ container: ContainerRecord, timeout: Int? = nil) async throws {
        let container = try await settled(container)
        guard container.state.status == .running, let process = container.state.process else { return }
        let signal = try Self.signal(named: container.configuration.stopSignal ?? "SIGTERM")
        let time = Duration.seconds(timeout ?? container.configuration.stopTimeout)
        try await onBlockingPool {
            try process.send(signal: signal)
            if try !process.waitUntilEnded(atMost: time) { try process.send(signal: 9) }
        }
        _ = try await wait(container)
    }

    /// Sends a signal by name or number.
    package func kill(_ container: ContainerRecord, signal: String = "SIGKILL") async throws {
        guard container.state.status == .running, let process = container.state.process else {
            throw ContainerError.notRunning(id: container.id)
        }
        let number = try Self.signal(named: signal)
        try await onBlockingPool { _ = try process.send(signal: number) }
        if number == 9 { _ = try await wait(container) }
    }

    /// Waits for the end of a container and returns its exit code.
    package func wait(_ container: ContainerRecord) async throws -> CInt {
        guard container.state.status == .running, let process = container.state.process else {
            return container.state.exitCode ?? 0
        }
        try await process.waitUntilEnded()
        try await awaitNote(of: container)
        let id = container.id
        let isRemoved = container.configuration.isRemovedAtEnd
        let code = try? await exitFile(id)
        do {
            return try await self.container(id).state.exitCode ?? 0
        } catch let error as ContainerError {
            guard isRemoved, case .notFound = error else { throw error }
            return code ?? 0
        }
    }

    /// Waits until who keeps a container whose process has ended has noted how it ended.
    func awaitNote(of container: ContainerRecord) async throws {
        if container.state.isNested {
            try await awaitKeeper(container)
        } else {
            try await awaitExitFile(container)
        }
    }

    /// Who runs an attached container notes its exit code a moment after the process has ended, unless he dies first.
    private func awaitKeeper(_ container: ContainerRecord) async throws {
        guard let keeper = container.state.keeper else { return }
        let id = container.id
        while true {
            let found = try await store.database.read { db in try Self.records(db, where: "id = ?", [id]) }
            guard let current = found.first, current.state.status == .running else { return }
            if try await onBlockingPool({ try keeper.waitUntilEnded(atMost: .milliseconds(20)) }) { return }
            try Task.checkCancellation()
        }
    }

    /// The monitor notes the exit code a moment after the process has ended; its own end says that it has.
    private func awaitExitFile(_ container: ContainerRecord) async throws {
        let path = directory(of: container.id).appending("monitor.pid")
        let monitor = await onBlockingPool { () -> ProcessReference? in
            guard let text = try? OpenFile.open(path, O_RDONLY_).readToEnd(limit: 64) else { return nil }
            return Int32(String(decoding: text.filter { $0 != 0x0a }, as: UTF8.self)).flatMap {
                ProcessReference(processID: $0)
            }
        }
        _ = try await onBlockingPool { try monitor?.waitUntilEnded(atMost: .seconds(5)) }
    }

    private func exitFile(_ id: String) async throws -> CInt? {
        let path = directory(of: id).appending("exits").appending(id)
        let text = try await onBlockingPool { try OpenFile.open(path, O_RDONLY_).readToEnd(limit: 64) }
        return CInt(String(decoding: text.filter { $0 != 0x0a }, as: UTF8.self))
    }

    /// Removes a container that does not run or, with `force`, one that does.
    package func remove(_ container: ContainerRecord, force: Bool = false, removesVolumes: Bool = false) async throws {
        let turn = try await turn(of: container)
        defer { turn.end() }
        if turn.record.state.status == .running {
            guard force else { throw ContainerError.isRunning(id: container.id) }
            do {
                try await kill(turn.record)
            } catch ContainerError.notRunning {
                // It has ended by itself.
            }
        }
        try await discard(turn.record, removesVolumes: removesVolumes)
    }

    func discard(_ record: ContainerRecord, removesVolumes: Bool) async throws {
        let directory = directory(of: record.id)
        if removesVolumes { try await removeAnonymousVolumes(of: record) }
        try await onBlockingPool {
            try unmount(directory.appending("root"), lazy: true)
            try removeTree(directory)
        }
        try await store.database.writeErasing { db in
            try db.execute(sql: "DELETE FROM containers WHERE id = ?", arguments: [record.id])
        }
    }

    /// A signal by name, with or without SIG, or by number.
    package static func signal(named text: String) throws(ContainerError) -> CInt {
        if let number = CInt(text), (1...64).contains(number) { return number }
        let upper = text.uppercased()
        let name = upper.hasPrefix("SIG") ? String(upper.dropFirst(3)) : upper
        guard let index = signalNames.firstIndex(of: name) else { throw .invalidSignal(text) }
        return CInt(index + 1)
    }

    /// From 1 on; the numbers of x86 and ARM.
    private static let signalNames = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM",
        "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH",
        "IO", "PWR",
        "SYS",
    ]
}
