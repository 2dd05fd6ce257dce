package import LinuxSystem
import Storage
import SystemPackage
internal import Text

/// How a container came to run no more.
enum ContainerEnd: Sendable, Hashable {
    /// - reason: what kept its keeper from running it to its end.
    case exited(CInt, reason: String? = nil)
    case neverStarted(ContainerState.Failure)
}

extension ContainerStore {
    /// Asks a container to end with its stop signal and, after a time in seconds, makes it; nil is the container's own time.
    /// - Parameters:
    ///   - container: one that may have ended already.
    ///   - signal: by name or number; nil is the container's own stop signal.
    ///   - timeout: seconds; a negative one is no limit.
    /// - Throws: `ContainerError.invalidSignal`.
    package func stop(_ container: ContainerRecord, signal: String? = nil, timeout: Int? = nil) async throws {
        let container = try await settled(container)
        guard let process = container.state.process else { return }
        let signal = try Self.signal(named: signal ?? container.configuration.stopSignal ?? "SIGTERM")
        let time = Duration.seconds(timeout ?? container.configuration.stopTimeout)
        try await onBlockingPool {
            _ = try process.send(signal: signal)
        }
        await tell(.kill, of: container, ["signal": "\(signal.rawValue)"])
        if try await !onBlockingPool({ try process.waitUntilEnded(atMost: time) }) {
            try await onBlockingPool { _ = try process.send(signal: .kill) }
            await tell(.kill, of: container, ["signal": "\(Signal.kill.rawValue)"])
        }
        _ = try await wait(container)
        await tell(.stop, of: container)
    }

    /// Sends a signal by name or number.
    package func kill(_ container: ContainerRecord, signal: String = "SIGKILL") async throws {
        guard let process = container.state.process else {
            throw ContainerError.notRunning(id: container.id)
        }
        let signal = try Self.signal(named: signal)
        try await onBlockingPool { _ = try process.send(signal: signal) }
        await tell(.kill, of: container, ["signal": "\(signal.rawValue)"])
        if signal == .kill { _ = try await wait(container) }
    }

    /// Waits for the end of a container and returns its exit code.
    package func wait(_ container: ContainerRecord) async throws -> CInt {
        guard let process = container.state.process else {
            return container.state.exitCode ?? 0
        }
        let exits = exits(of: container)
        // Until the code is read, a container that goes with its end does not go.
        var turn = try? await onBlockingPool { try FileLock.tryAcquire(directory: exits, .shared) }
        try await process.waitUntilEnded()
        let code = try await noted(exitCodeOf: container)
        withExtendedLifetime(turn) { turn = nil }
        do {
            return try await self.container(container.id).state.exitCode ?? code ?? 0
        } catch let error as ContainerError {
            guard container.configuration.isRemovedAtEnd, case .notFound = error else { throw error }
            return code ?? 0
        }
    }

    /// Where exit codes are noted, each in a file with the container's id.
    func exits(of container: ContainerRecord) -> FilePath { directory(of: container.id).appending("exits") }

    /// The exit code of a container whose process has ended: who keeps it notes it a moment later.
    /// - Returns: nil where the keeper was killed too.
    func noted(exitCodeOf container: ContainerRecord) async throws -> CInt? {
        let exits = exits(of: container)
        let path = exits.appending(container.id)
        let keeper = await keeper(of: container)
        // Without a keeper it is there or will never be.
        let time = keeper == nil ? Duration.zero : .seconds(5)
        return try await FileWatch.wait(in: [exits], while: keeper, atMost: time) {
            guard let text = try contentsIfPresent(of: path, limit: 64), !text.isEmpty else { return nil }
            return CInt(String(decoding: text.filter { $0 != 0x0a }, as: UTF8.self))
        }
    }

    /// Who notes the exit code: the command that an attached container is in the keeping of, or the monitor.
    private func keeper(of container: ContainerRecord) async -> ProcessReference? {
        if container.state.run?.isNested == true { return container.state.keeper }
        let path = directory(of: container.id).appending("monitor.pid")
        return await onBlockingPool {
            guard let text = try? contentsIfPresent(of: path, limit: 64) else { return nil }
            return Int32(String(decoding: text.filter { $0 != 0x0a }, as: UTF8.self)).flatMap {
                ProcessReference(processID: $0)
            }
        }
    }

    /// Notes an exit code for those who wait for it, where the monitor has not.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func note(_ code: CInt, of container: ContainerRecord, in exits: FilePath) throws {
        let path = exits.appending(container.id)
        guard try HostFiles.status(of: exits) != nil, try HostFiles.status(of: path) == nil else { return }
        try HostFiles.write("\(code)", to: path, mode: 0o600)
    }

    /// Waits, but not for long, until those who wait for a container have read its exit code.
    func awaitReaders(of exits: FilePath) async throws {
        guard try await onBlockingPool({ try HostFiles.status(of: exits) }) != nil else { return }
        // If the directory goes meanwhile, no one reads in it.
        _ = try? await FileLock.obtain(directory: exits, within: .seconds(2))
    }

    /// Removes a container that does not run or, with `force`, one that does.
    package func remove(_ container: ContainerRecord, force: Bool = false, removesVolumes: Bool = false) async throws {
        let turn = try await turn(of: container)
        defer { turn.end() }
        var record = turn.record
        if record.state.status == .running {
            guard force else { throw ContainerError.isRunning(id: container.id) }
            do {
                try await kill(record)
            } catch ContainerError.notRunning {
                // It has ended by itself.
            }
            do {
                record = try await self.container(record.id)
            } catch ContainerError.notFound {
                // It went with its end.
                return
            }
        }
        try await discard(record, removesVolumes: removesVolumes)
    }

    func discard(_ record: ContainerRecord, removesVolumes: Bool) async throws {
        let directory = directory(of: record.id)
        _ = try await change(record.id, .remove)
        if removesVolumes { try await removeAnonymousVolumes(of: record) }
        try await onBlockingPool {
            try unmount(directory.appending("root"), lazy: true)
            try removeTree(directory)
        }
        try await store.database.writeErasing { db in try ContainerTable.delete(record.id, in: db) }
        await tell(.destroy, of: record)
    }

    /// A signal by name, with or without SIG, or by number.
    package static func signal(named text: String) throws(ContainerError) -> Signal {
        guard let signal = Signal(text) else { throw .invalidSignal(text) }
        return signal
    }
}
