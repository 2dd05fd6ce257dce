import GRDB
package import Storage

/// What a client waits for.
package enum WaitCondition: String, Sendable, Hashable {
    case notRunning = "not-running"
    case nextExit = "next-exit"
    case removed
}

extension ContainerStore {
    /// How long the journal of events is trusted: an event may have been lost where the disk is full.
    private static let trust = Duration.seconds(30)

    /// Waits until a container is in some state, whichever process brings it there.
    /// - Parameters:
    ///   - condition: the state.
    ///   - container: as it was at `position`, or later.
    ///   - position: from where on events count.
    /// - Returns: its exit code.
    /// - Throws: `CancellationError`, and what looking for the container throws.
    package func wait(
        for condition: WaitCondition,
        of container: ContainerRecord,
        after position: EventJournal.Position
    ) async throws -> CInt {
        var code = container.state.exitCode ?? 0
        if container.state.status == .running {
            // Its end is seen at once, whatever process notes it.
            code = try await wait(container)
            if condition != .removed { return code }
        } else if condition == .notRunning {
            return code
        }
        var position = position
        while true {
            let (events, next) = try await journal.next(after: position, atMost: Self.trust)
            position = next
            for event in events where event.kind == .container && event.subject == container.id {
                switch ContainerAction(rawValue: event.action) {
                case .die?, .startFailed?:
                    code = event.attributes["exitCode"].flatMap { CInt($0) } ?? code
                    if condition == .nextExit { return code }
                case .destroy?: return code
                default: break
                }
            }
            if events.isEmpty, try await isGone(container) { return code }
        }
    }

    /// Waits until a container that does not run does.
    /// - Returns: the container since then, which may have ended by now; nil where it could not be started, or was removed.
    func waitForStart(of container: ContainerRecord, after position: EventJournal.Position) async throws
        -> ContainerRecord?
    {
        var position = position
        while true {
            guard let current = try await noted(container) else { return nil }
            if current.state.status == .running { return current }
            let (events, next) = try await journal.next(after: position, atMost: Self.trust)
            position = next
            for event in events where event.kind == .container && event.subject == container.id {
                switch ContainerAction(rawValue: event.action) {
                case .start?: return try await noted(container)
                case .startFailed?, .destroy?: return nil
                default: break
                }
            }
        }
    }

    /// The container as it was last noted.
    ///
    /// Nothing is put right: the end of one that goes with it waits for those who read what it wrote.
    private func noted(_ container: ContainerRecord) async throws -> ContainerRecord? {
        try await store.database.read { db in try ContainerTable.records(.id(container.id), in: db).first }
    }

    private func isGone(_ container: ContainerRecord) async throws -> Bool {
        do {
            _ = try await self.container(container.id)
            return false
        } catch ContainerError.notFound {
            return true
        }
    }
}
