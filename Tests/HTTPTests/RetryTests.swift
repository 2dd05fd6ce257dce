import HTTP
import Proofs
import Testing

@Suite struct `The retry policy` {
    private let policy = RetryPolicy()

    @Test func `back-off doubles from 0.2 to 10 seconds and is halved by chance`() {
        var patient = RetryPolicy()
        patient.maximumAttempts = 20
        let delays = (1...8).map { patient.verdict(on: .status(503, retryAfter: nil), attempt: $0, jitter: 1) }
        #expect(delays == [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000].map { .retry(after: .milliseconds($0)) })
        #expect(patient.verdict(on: .connection(.closed), attempt: 1, jitter: 0) == .retry(after: .milliseconds(100)))
    }

    @Test(arguments: [400, 401, 403, 404, 405, 413, 416, 501])
    func `an answer that will not change is not asked for again`(status: Int) {
        #expect(policy.verdict(on: .status(status, retryAfter: nil), attempt: 1, jitter: 1) == .fail)
    }

    @Test(arguments: [408, 429, 500, 502, 503, 504]) func `a transient answer is asked for up to six times`(status: Int)
    {
        #expect(policy.verdict(on: .status(status, retryAfter: nil), attempt: 5, jitter: 1) != .fail)
        #expect(policy.verdict(on: .status(status, retryAfter: nil), attempt: 6, jitter: 1) == .fail)
    }

    @Test func `the wait that a registry asks for is kept, up to a minute`() {
        #expect(
            policy.verdict(on: .status(429, retryAfter: .seconds(60)), attempt: 1, jitter: 1)
                == .retry(after: .seconds(60))
        )
        #expect(policy.verdict(on: .status(429, retryAfter: .seconds(61)), attempt: 1, jitter: 1) == .fail)
    }

    @Test(
        .proves("A14: a server that accepts connections and is silent"),
        arguments: [ConnectionFailure.timedOut, .handshakeTimedOut, .stalled]
    )
    func `a request whose time is up is made once more`(failure: ConnectionFailure) {
        #expect(policy.verdict(on: .connection(failure), attempt: 1, jitter: 1) != .fail)
        #expect(policy.verdict(on: .connection(failure), attempt: 2, jitter: 1) == .fail)
    }

    @Test(arguments: [ConnectionFailure.refused, .unknownHost, .untrustedCertificate("x"), .handshake("x")])
    func `a connection that cannot be made is not tried again`(failure: ConnectionFailure) {
        #expect(policy.verdict(on: .connection(failure), attempt: 1, jitter: 1) == .fail)
    }

    @Test(
        arguments: [
            ("5", nil, Duration.seconds(5)), ("0", nil, .seconds(0)),
            ("99999999999999999999", nil, .seconds(999_999_999)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:07 GMT", .seconds(30)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", nil, .seconds(37)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", "Mon, 07 Nov 1994 08:49:07 GMT", .seconds(0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", nil, .seconds(37)), ("Sun Nov  6 08:49:37 1994", nil, .seconds(37)),
            ("soon", nil, nil), ("-5", nil, nil), ("", nil, nil),
        ] as [(String, String?, Duration?)]
    )
    func `Retry-After is seconds or a date`(header: String, date: String?, result: Duration?) {
        #expect(RetryPolicy.retryAfter(header, date: date, now: 784_111_740) == result)
    }
}
