import BuildGraph
import LLB
import Sandboxes
import Synchronization

/// The networks of the steps of one build.
final class StepNetworks: Sendable {
    private let networks: SandboxNetworks
    private let hasWarned = Mutex(false)

    init(_ networks: SandboxNetworks) { self.networks = networks }

    /// What the `/etc/resolv.conf` of steps says in place of the host's.
    var resolverLines: SandboxConfiguration.ResolverLines? { networks.resolverLines }

    /// Lends a step its network, which is made while its root is.
    func withNetwork<Value>(
        for mode: NetworkMode,
        _ context: OperationContext,
        _ body: (StepNetwork) async throws -> Value
    ) async throws -> Value {
        switch (mode, networks.mode) {
        case (.host, _), (.sandbox, .host): return try await body(StepNetwork(source: .host))
        case (.none, _), (.sandbox, .none): return try await body(StepNetwork(source: .none))
        case (.sandbox, .bridge), (.sandbox, .automatic):
            return try await networks.withNetwork { try await body(StepNetwork(source: .own($0, self, context))) }
        }
    }

    /// The host's network in place of one that cannot be made, where the configuration does not forbid that; it is said once.
    fileprivate func substitute(
        for error: any Error,
        _ context: OperationContext
    ) throws -> SandboxConfiguration.Network {
        let reason = "its own network could not be made: \(error)"
        guard networks.mode == .automatic else {
            throw OperationError.unsupported("\(reason) (networkMode = \"bridge\")")
        }
        let isFirst = hasWarned.withLock { hasWarned in
            defer { hasWarned = true }
            return !hasWarned
        }
        if isFirst {
            context.warn(
                "the step uses the host's network: \(reason); networkMode in slipway.toml decides whether that is allowed"
            )
        }
        return .host
    }
}

/// Where the process of a step finds its network.
struct StepNetwork: Sendable {
    fileprivate enum Source: Sendable {
        case host
        case none
        case own(PendingNetwork, StepNetworks, OperationContext)
    }

    fileprivate let source: Source

    /// Waits until it is made.
    func network() async throws -> SandboxConfiguration.Network {
        switch source {
        case .host: return .host
        case .none: return .none
        case .own(let pending, let networks, let context):
            do {
                return .own(try await pending.network())
            } catch let error as CancellationError {
                throw error
            } catch {
                return try networks.substitute(for: error, context)
            }
        }
    }
}
