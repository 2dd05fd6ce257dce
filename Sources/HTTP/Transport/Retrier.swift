internal import LinuxSystem
internal import NIOHTTP1

/// Repeats an attempt as its policy says.
package struct Retrier: Sendable {
    package let policy: RetryPolicy
    private let timekeeper: Timekeeper

    package init(policy: RetryPolicy, timekeeper: Timekeeper) {
        self.policy = policy
        self.timekeeper = timekeeper
    }

    /// Runs `attempt` until it returns, fails for good, or has failed too often.
    /// - Throws: the last `AttemptFailure`, or at once what else `attempt` throws.
    package func run<Value>(_ attempt: () async throws -> Value) async throws -> Value {
        var count = 1
        while true {
            do {
                return try await attempt()
            } catch let failure as AttemptFailure {
                try Task.checkCancellation()
                switch policy.verdict(on: failure.retryCase, attempt: count, jitter: timekeeper.jitter()) {
                case .fail: throw failure
                case .retry(let delay): try await timekeeper.sleep(delay)
                }
                count += 1
            }
        }
    }
}

extension HTTPTransport.Answer {
    /// This answer as a failure, with what its body says.
    package func failure() async -> AttemptFailure {
        let retryAfter = RetryPolicy.retryAfter(header("Retry-After"), date: header("Date"), now: currentTime())
        let challenged = headers.contains(name: "WWW-Authenticate")
        return AttemptFailure(
            url: url,
            reason: .status(status, retryAfter: retryAfter, await errorDocument(), challenged: challenged)
        )
    }
}
