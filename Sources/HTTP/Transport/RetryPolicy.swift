internal import LinuxSystem

/// Decides whether and when a failed request is made again.
package struct RetryPolicy: Sendable, Hashable {
    /// How many requests are made at most, the first included, without progress between them.
    package var maximumAttempts = 6
    /// The same where each request ends only because its time is up.
    package var maximumTimeouts = 2
    package var base: Duration = .milliseconds(200)
    package var cap: Duration = .seconds(10)
    /// A longer `Retry-After` is reported rather than waited for.
    package var longestRetryAfter: Duration = .seconds(60)

    package init() {}

    package enum Failure: Hashable, Sendable {
        case status(Int, retryAfter: Duration?)
        case connection(ConnectionFailure)
    }

    package enum Verdict: Hashable, Sendable {
        case retry(after: Duration)
        case fail
    }

    /// - Parameters:
    ///   - failure: what happened.
    ///   - attempt: how many requests were made so far, from 1.
    ///   - jitter: a random number of 0 to 1.
    /// - Returns: what to do.
    package func verdict(on failure: Failure, attempt: Int, jitter: Double) -> Verdict {
        guard attempt < maximumAttempts else { return .fail }
        switch failure {
        case .connection(let failure):
            guard failure.isTransient, !failure.isTimeout || attempt < maximumTimeouts else { return .fail }
            return .retry(after: backOff(attempt, jitter))
        case .status(let code, let retryAfter):
            guard [408, 425, 429, 500, 502, 503, 504].contains(code) else { return .fail }
            guard let retryAfter else { return .retry(after: backOff(attempt, jitter)) }
            return retryAfter > longestRetryAfter ? .fail : .retry(after: max(retryAfter, .zero))
        }
    }

    /// Doubles with each attempt up to the cap; between half of that and all of it, so that clients do not come back in step.
    private func backOff(_ attempt: Int, _ jitter: Double) -> Duration {
        let full = min(base * (1 << min(attempt - 1, 16)), cap)
        return full * (0.5 + 0.5 * min(max(jitter, 0), 1))
    }

    /// Reads `Retry-After`: seconds or a date, the date against the answer's own `Date` or else the machine's clock.
    /// - Parameters:
    ///   - header: the value of `Retry-After`.
    ///   - date: the value of `Date`.
    ///   - now: seconds since 1970.
    /// - Returns: how long to wait, never less than nothing; nil if the header is missing or makes no sense.
    package static func retryAfter(_ header: String?, date: String?, now: Int64) -> Duration? {
        guard let header, !header.isEmpty else { return nil }
        if header.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            return .seconds(Int64(header.prefix(9)) ?? 0)
        }
        guard let then = secondsSince1970(httpDate: header) else { return nil }
        let reference = date.flatMap(secondsSince1970(httpDate:)) ?? now
        return .seconds(max(then - reference, 0))
    }

    /// Reads HTTP's dates in the form they have and in the two that they had: `Sun, 06 Nov 1994 08:49:37 GMT`,
    /// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
    ///
    /// See RFC 9110, section 5.6.7.
    package static func secondsSince1970(httpDate text: String) -> Int64? {
        let parts = text.split { $0 == " " || $0 == "-" }.map(String.init)
        guard parts.count == 5 || parts.count == 6 else { return nil }
        // The day, the month, the year and the time.
        let fields = parts.count == 6 ? Array(parts[1...4]) : [parts[2], parts[1], parts[4], parts[3]]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard let day = Int(fields[0]), let month = months.firstIndex(of: fields[1]), let written = Int(fields[2]),
            (1...31).contains(day)
        else { return nil }
        let year = fields[2].count == 2 ? written + (written < 70 ? 2000 : 1900) : written
        let time = fields[3].split(separator: ":").compactMap { Int($0) }
        guard (1970...9999).contains(year), time.count == 3, (0...23).contains(time[0]), (0...59).contains(time[1]),
            (0...60).contains(time[2])
        else { return nil }
        return FileTime(
            year: year,
            month: month + 1,
            day: day,
            hour: time[0],
            minute: time[1],
            second: time[2]
        ).seconds
    }
}

/// Time and chance, passed in so that tests neither wait nor guess.
package struct Timekeeper: Sendable {
    package var now: @Sendable () -> ContinuousClock.Instant
    package var sleep: @Sendable (Duration) async throws -> Void
    /// A random number of 0 to 1.
    package var jitter: @Sendable () -> Double

    package init(
        now: @escaping @Sendable () -> ContinuousClock.Instant,
        sleep: @escaping @Sendable (Duration) async throws -> Void,
        jitter: @escaping @Sendable () -> Double
    ) {
        self.now = now
        self.sleep = sleep
        self.jitter = jitter
    }

    /// The machine's clock.
    package static var real: Timekeeper {
        let clock = ContinuousClock()
        return Timekeeper(
            now: { clock.now },
            sleep: { try await clock.sleep(for: $0) },
            jitter: { Double.random(in: 0...1) }
        )
    }
}
