package import BuildGraph
import OCI
internal import Text

/// The engine's own steps in a build's progress: `[internal] load …`, `exporting to image`.
package struct BuildSteps: Sendable {
    package let channel: ProgressChannel
    package let now: @Sendable () -> Timestamp

    /// The digest that a step of this name is shown with.
    static func digest(of name: String) -> Digest { Digest.sha256(of: "engine:\(name)") }

    /// Warns of something that belongs to no step.
    package func warn(_ text: String) { channel.post(.warning(VertexWarning(vertex: nil, short: text))) }

    /// The surroundings of work that is shown as no step of its own; only its warnings are.
    func unshown(_ name: String) -> OperationContext {
        OperationContext(
            vertex: Self.digest(of: name),
            name: name,
            now: now,
            post: { [channel] event in
                if case .warning = event { channel.post(event) }
            },
            send: { _ in }
        )
    }

    /// Shows a step as long as `body` runs, and how it ended.
    ///
    /// Steps of one name that are not the same have numbers.
    package func step<Value>(
        _ name: String,
        number: Int = 0,
        _ body: (OperationContext) async throws -> Value
    ) async throws -> Value {
        let shown = withoutCredentials(name)
        let digest = Self.digest(of: number == 0 ? name : "\(number):\(name)")
        let started = now()
        func report(_ change: (inout VertexProgress) -> Void) {
            var progress = VertexProgress(digest: digest, name: shown, started: started)
            change(&progress)
            channel.post(.vertex(progress))
        }
        report { _ in }
        let context = OperationContext(
            vertex: digest,
            name: shown,
            now: now,
            post: { [channel] in channel.post($0) },
            send: { [channel] in await channel.send($0) }
        )
        do {
            let value = try await body(context)
            report { $0.completed = now() }
            return value
        } catch {
            report {
                $0.completed = now()
                $0.error = error is CancellationError ? VertexProgress.canceled : withoutCredentials("\(error)")
            }
            throw error
        }
    }
}
