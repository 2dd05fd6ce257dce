import FoundationEssentials
package import LinuxSystem
import OCI
import Sandboxes
package import Snapshots
package import Storage
import Synchronization
import SystemPackage

/// The containers of a store: made, run, looked at and removed.
///
/// There is no daemon: what is running is asked of the kernel whenever it matters, so that a crash or a reboot leaves
/// nothing that `list` does not put right.
package final class ContainerStore: Sendable {
    let store: Store
    let snapshots: SnapshotStore
    /// What this process may do of what containers take.
    let privileges: Privileges
    /// What a monitor runs when its container has ended, with the container's id added; empty for nothing.
    let exitCommand: [String]
    /// What reads and drops its standard input, a terminal that is left alone; empty for nothing.
    let terminalKeeper: [String]
    /// Keep the cgroups of containers that are about to start from being taken for abandoned, by the container's id.
    let heldGroups = Mutex<[String: [FileLock]]>([:])
    /// What carries the packets of containers that are about to start, by the container's id: it ends with this process.
    let carriers = Mutex<[String: UserModeNetwork]>([:])

    /// - Parameters:
    ///   - store: where containers are kept.
    ///   - snapshots: the layers of the store.
    ///   - privileges: of this process.
    ///   - exitCommand: a program and its arguments that call `noteEnd`, so that what ends alone is put away at once.
    ///   - terminalKeeper: a program and its arguments that read and drop their standard input.
    package init(
        store: Store,
        snapshots: SnapshotStore,
        privileges: Privileges = .machine,
        exitCommand: [String] = [],
        terminalKeeper: [String] = []
    ) {
        self.terminalKeeper = terminalKeeper
        self.store = store
        self.snapshots = snapshots
        self.privileges = privileges
        self.exitCommand = exitCommand
    }

    func directory(of id: String) -> FilePath { store.layout.containers.appending(id) }

    // MARK: Finding

    /// All containers, the newest first, after what has ended since anybody looked was written down.
    package func list() async throws -> [ContainerRecord] {
        let found = try await store.database.read { db in try ContainerTable.records(.all, in: db) }
        var current: [ContainerRecord] = []
        for record in found {
            if let record = try await reconcile(record) { current.append(record) }
        }
        return current
    }

    /// The container of that name, or whose id begins like that.
    /// - Throws: `ContainerError.notFound`, `.ambiguous`.
    package func container(_ nameOrID: String) async throws -> ContainerRecord {
        guard !nameOrID.isEmpty else { throw ContainerError.emptyName }
        let text = nameOrID.hasPrefix("/") ? String(nameOrID.dropFirst()) : nameOrID
        let named = try await store.database.read { db in
            try ContainerTable.records(.idOrName(text), in: db)
        }
        if let record = named.first {
            guard let current = try await reconcile(record) else { throw ContainerError.notFound(nameOrID) }
            return current
        }
        guard !text.isEmpty, text.allSatisfy(\.isHexDigit) else { throw ContainerError.notFound(nameOrID) }
        let matching = try await store.database.read { db in
            try ContainerTable.records(.prefix(text), in: db)
        }
        guard let first = matching.first else { throw ContainerError.notFound(nameOrID) }
        guard matching.count == 1 else { throw ContainerError.ambiguous(text) }
        guard let current = try await reconcile(first) else { throw ContainerError.notFound(nameOrID) }
        return current
    }

    /// Writes down the end of a container that has ended; one that was to be removed then is removed, and nil is returned.
    private func reconcile(_ record: ContainerRecord) async throws -> ContainerRecord? {
        let isRemovedAtEnd = record.configuration.isRemovedAtEnd
        if record.state.isToBeRemoved(atEnd: isRemovedAtEnd) {
            return try await puttingAway(record.id) { current in
                guard current.state.isToBeRemoved(atEnd: isRemovedAtEnd) else { return current }
                try await discard(current, removesVolumes: isRemovedAtEnd)
                return nil
            }
        }
        guard try await hasEndedUnnoticed(record) else { return record }
        return try await puttingAway(record.id) { current in
            guard try await hasEndedUnnoticed(current) else { return current }
            return try await putAway(current, .exited(try await noted(exitCodeOf: current) ?? 137))
        }
    }

    /// Holds what only one of all who notice an end may hold: its keeper or the monitor's exit command, `wait`, any other command.
    private func puttingAway(
        _ id: String,
        _ body: (ContainerRecord) async throws -> ContainerRecord?
    ) async throws -> ContainerRecord? {
        try await whileNoneEnds {
            let found = try await store.database.read { db in try ContainerTable.records(.id(id), in: db) }
            guard let current = found.first else { return nil }
            return try await body(current)
        }
    }

    /// Holds what is held while an end is written down: meanwhile no other container's is.
    func whileNoneEnds<Value>(_ body: () async throws -> Value) async throws -> Value {
        let lock = store.layout.containers.appending("end.lock")
        let held = try await FileLock.obtain(lock, .exclusive)
        defer { withExtendedLifetime(held) {} }
        return try await body()
    }

    /// Whether the record says that the container runs, or is about to, and it does not.
    private func hasEndedUnnoticed(_ record: ContainerRecord) async throws -> Bool {
        switch record.state.phase {
        case .created, .exited, .removing: return false
        case .running(let run):
            // The keeper of an attached one notices, and knows the exit code.
            let process = run.isNested ? run.keeper ?? run.process : run.process
            return await onBlockingPool { !(process?.isRunning ?? false) }
        case .preparing(let keeper): return await onBlockingPool { !(keeper?.isRunning ?? false) }
        }
    }

    /// Puts away a container that has ended; nothing where it runs, or where that was done.
    package func noteEnd(of id: String) async throws {
        let found = try await store.database.read { db in try ContainerTable.records(.id(id), in: db) }
        for record in found { _ = try await reconcile(record) }
    }

    /// Writes down that a container has ended, and gives back what it had of the host.
    @discardableResult
    func end(_ id: String, _ end: ContainerEnd) async throws -> ContainerRecord? {
        try await puttingAway(id) { current in try await putAway(current, end) }
    }

    private func putAway(_ record: ContainerRecord, _ end: ContainerEnd) async throws -> ContainerRecord? {
        try await tearDownNetwork(record)
        let (groups, device) = (record.state.controlGroups, record.state.deviceGroup)
        let ranOutOfMemory = await onBlockingPool {
            let ranOutOfMemory = ContainerLimits.outOfMemoryKills(in: groups) > 0
            ContainerLimits.remove(groups, device: device)
            return ranOutOfMemory
        }
        heldGroups.withLock { _ = $0.removeValue(forKey: record.id) }
        let event: ContainerMachine.Event
        switch end {
        case .exited(let code, let reason):
            var ending = ContainerState.Ending(exitCode: code)
            ending.finished = currentTime()
            ending.ranOutOfMemory = ranOutOfMemory
            ending.reason = reason
            event = .ended(ending)
        case .neverStarted(let failure): event = .failed(failure)
        }
        guard let (ended, actions) = try await change(record.id, event) else { return nil }
        switch end {
        case .exited(let code, _): await tell(.die, of: ended, ["exitCode": "\(code)"])
        case .neverStarted(let failure): await tell(.startFailed, of: ended, ["exitCode": "\(failure.exitCode)"])
        }
        let exits = exits(of: ended)
        for action in actions {
            switch action {
            case .note(let code): try await onBlockingPool { try Self.note(code, of: ended, in: exits) }
            case .discard:
                try await awaitReaders(of: exits)
                try await discard(ended, removesVolumes: true)
                return nil
            }
        }
        return ended
    }

    // MARK: Keeping

    static func encode(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// Changes a container's state as its machine has it, in one transaction: what others changed meanwhile counts.
    /// - Returns: the container as it is then, and what is to be done; nil for one that is gone.
    /// - Throws: `ContainerError` where that cannot happen to the container now.
    func change(_ id: String, _ event: ContainerMachine.Event) async throws -> (
        ContainerRecord, [ContainerMachine.Action]
    )? {
        try await store.database.write { db in
            guard var record = try ContainerTable.records(.id(id), in: db).first else { return nil }
            var machine = ContainerMachine(record.state, isRemovedAtEnd: record.configuration.isRemovedAtEnd)
            let actions: [ContainerMachine.Action]
            do throws(ContainerMachine.Refusal) {
                actions = try machine.receive(event)
            } catch {
                throw ContainerError(error, record)
            }
            record.state = machine.state
            let state = try Self.encode(record.state)
            try ContainerTable.setState(state, isRunning: record.state.status == .running, of: id, in: db)
            return (record, actions)
        }
    }

    /// The same for what asks for nothing further.
    /// - Throws: `ContainerError.notFound` for one that is gone.
    @discardableResult
    func changed(_ record: ContainerRecord, _ event: ContainerMachine.Event) async throws -> ContainerRecord {
        guard let (changed, _) = try await change(record.id, event) else { throw ContainerError.notFound(record.name) }
        return changed
    }
}
