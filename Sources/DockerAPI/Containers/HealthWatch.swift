internal import Containers
internal import LinuxSystem
internal import Synchronization

/// Checks the health of containers that the daemon has started, or has found running, as long as they run.
final class HealthWatch: Sendable {
    private let containers: ContainerStore
    private let attended = Mutex<Set<String>>([])

    init(_ containers: ContainerStore) { self.containers = containers }

    /// Begins with a container, if it asks for checks and no command that it is attached to sees to them.
    func attend(_ container: ContainerRecord) {
        guard container.healthPlan != nil, let run = container.state.run, !run.isNested, let process = run.process,
            attended.withLock({ $0.insert(container.id).inserted })
        else { return }
        // Not a child, for no request lasts as long: it ends with the container, at the latest with the daemon.
        Task { [self] in
            try? await containers.withHealthChecks(of: container) { try await process.waitUntilEnded() }
            attended.withLock { _ = $0.remove(container.id) }
        }
    }
}
