package import OCI

/// What health checks have found of a container, and what the next result makes of it.
///
/// It performs no checks itself.
package struct ContainerHealth: Sendable, Codable, Hashable {
    package enum Status: String, Sendable, Codable, Hashable { case starting, healthy, unhealthy }

    /// One check that has ended.
    package struct Check: Sendable, Codable, Hashable {
        /// RFC 3339.
        package let start: String
        package let end: String
        /// -1 for one that took too long or could not be started.
        package let exitCode: CInt
        package let output: String

        package init(start: String, end: String, exitCode: CInt, output: String) {
            self.start = start
            self.end = end
            self.exitCode = exitCode
            self.output = output
        }
    }

    package private(set) var status = Status.starting
    package private(set) var failingStreak = 0
    /// The last five, the oldest first.
    package private(set) var log: [Check] = []

    package init() {}

    /// Takes in a result.
    /// - Parameters:
    ///   - check: the result.
    ///   - isStarting: whether the check began in the container's start period, in which failures do not count.
    ///   - retries: how many failures in a row make it unhealthy.
    package mutating func receive(_ check: Check, isStarting: Bool, retries: Int) {
        log = log.suffix(4) + [check]
        if check.exitCode == 0 {
            failingStreak = 0
            status = .healthy
            return
        }
        // Once it was healthy, its start is over.
        if status == .starting, isStarting { return }
        failingStreak += 1
        if failingStreak >= retries { status = .unhealthy }
    }
}

/// How a container is checked, with docker's defaults for what is not said.
package struct HealthPlan: Sendable, Hashable {
    /// The program and its arguments.
    package let arguments: [String]
    package let interval: Duration
    package let startInterval: Duration
    package let startPeriod: Duration
    package let timeout: Duration
    package let retries: Int

    /// Nil where nothing is checked.
    package init?(_ check: Healthcheck?) {
        guard let check, let test = check.test, let kind = test.first else { return nil }
        switch kind {
        case "CMD" where test.count > 1: arguments = Array(test.dropFirst())
        case "CMD-SHELL" where test.count > 1: arguments = ["/bin/sh", "-c", test[1]]
        default: return nil
        }
        func time(_ nanoseconds: Int64?, else seconds: Int) -> Duration {
            nanoseconds.flatMap { $0 > 0 ? .nanoseconds($0) : nil } ?? .seconds(seconds)
        }
        interval = time(check.interval, else: 30)
        startInterval = time(check.startInterval, else: 5)
        startPeriod = time(check.startPeriod, else: 0)
        timeout = time(check.timeout, else: 30)
        retries = check.retries.flatMap { $0 > 0 ? $0 : nil } ?? 3
    }

    /// How long to wait for the next check.
    /// - Parameters:
    ///   - status: what is known.
    ///   - age: how long the container has run.
    /// - Returns: the time from the end of the last check, or from the start.
    package func pause(_ status: ContainerHealth.Status, age: Duration) -> Duration {
        status == .starting && age < startPeriod ? startInterval : interval
    }
}
