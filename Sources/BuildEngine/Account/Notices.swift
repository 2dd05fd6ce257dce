import DockerfileSyntax
import Synchronization

/// What one build has said: what is found for every platform is told once.
final class Notices: Sendable {
    private struct State {
        var findings: Set<LintWarning> = []
        var texts: Set<String> = []
    }

    private let state = Mutex(State())

    /// Whether a finding is new.
    func isNew(_ finding: LintWarning) -> Bool { state.withLock { $0.findings.insert(finding).inserted } }

    /// Whether a warning is new.
    func isNew(_ text: String) -> Bool { state.withLock { $0.texts.insert(text).inserted } }
}
