import HTTP
import Registry
import Testing

@Suite struct `The upload of a blob` {
    private typealias Event = UploadMachine.Event
    private typealias Action = UploadMachine.Action

    private static let place = "https://r.io/v2/x/blobs/uploads/1"
    private static let broken = Event.failed(.connection(.closed), isLost: false, jitter: 1)
    private static let lost = Event.failed(.status(404, retryAfter: nil), isLost: true, jitter: 1)

    /// A machine for a blob of 100 bytes, which goes up in one request where `limit` allows it.
    private func machine(limit: Int64 = 10, attempts: Int = 3) -> UploadMachine {
        var policy = RetryPolicy()
        policy.maximumAttempts = attempts
        return UploadMachine(size: 100, monolithicLimit: limit, progressStep: 20, policy: policy)
    }

    private func session(_ offset: Int64 = 0) throws -> UploadSession {
        UploadSession(location: try HTTPURL(parsing: Self.place), offset: offset)
    }

    /// Goes through events, each with the action that must follow it.
    private func expect(
        _ machine: UploadMachine,
        at location: HTTPURL? = nil,
        first: Action,
        _ steps: [(Event, Action)],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var machine = machine
        #expect(machine.begin(at: location) == first, sourceLocation: sourceLocation)
        for (number, (event, action)) in steps.enumerated() {
            #expect(machine.receive(event) == action, "step \(number): \(event)", sourceLocation: sourceLocation)
        }
    }

    @Test func `opens, sends and completes, or sends a small blob with its completion`() throws {
        let place = try HTTPURL(parsing: Self.place)
        expect(
            machine(),
            first: .open,
            [
                (.opened(place), .append(try session())),
                (.appended(place), .complete(try session(100), withBlob: false)), (.completed, .succeed),
            ]
        )
        expect(
            machine(limit: 100),
            first: .open,
            [(.opened(place), .complete(try session(), withBlob: true)), (.completed, .succeed)]
        )
        expect(
            machine(),
            at: place,
            first: .append(try session()),
            [(.appended(place), .complete(try session(100), withBlob: false))]
        )
    }

    @Test func `goes on where the registry says that it stopped`() throws {
        let place = try HTTPURL(parsing: Self.place)
        expect(
            machine(),
            at: place,
            first: .append(try session()),
            [
                (Self.broken, .locate(try session())), (.located(try session(30)), .rest(.milliseconds(200))),
                (.rested, .append(try session(30))), (Self.broken, .locate(try session(30))),
                // All of it has arrived, and only the answer was lost.
                (.located(try session(100)), .rest(.milliseconds(200))),
                (.rested, .complete(try session(100), withBlob: false)), (.completed, .succeed),
            ]
        )
    }

    @Test func `begins anew where the registry knows nothing of it any more`() throws {
        let place = try HTTPURL(parsing: Self.place)
        expect(
            machine(),
            at: place,
            first: .append(try session()),
            [(Self.lost, .rest(.milliseconds(200))), (.rested, .open), (.opened(place), .append(try session()))]
        )
        expect(
            machine(limit: 100),
            at: place,
            first: .complete(try session(), withBlob: true),
            [(Self.broken, .locate(try session())), (.located(nil), .rest(.milliseconds(200))), (.rested, .open)]
        )
    }

    @Test func `fails after as many attempts without progress as are allowed`() throws {
        let place = try HTTPURL(parsing: Self.place)
        var steps: [(Event, Action)] = []
        // 20 bytes each time are progress; 10 are not.
        for offset: Int64 in [20, 40, 60] {
            steps += [
                (Self.broken, .locate(try session(offset - 20))),
                (.located(try session(offset)), .rest(.milliseconds(200))),
                (.rested, .append(try session(offset))),
            ]
        }
        steps += [
            (Self.broken, .locate(try session(60))), (.located(try session(70)), .rest(.milliseconds(400))),
            (.rested, .append(try session(70))), (Self.broken, .locate(try session(70))),
            (.located(try session(75)), .fail),
        ]
        expect(machine(), at: place, first: .append(try session()), steps)
    }

    @Test func `fails at once where that will not change`() throws {
        let place = try HTTPURL(parsing: Self.place)
        let refused = Event.failed(.status(403, retryAfter: nil), isLost: false, jitter: 1)
        expect(
            machine(),
            at: place,
            first: .append(try session()),
            [(refused, .locate(try session())), (.located(nil), .fail), (.rested, .fail)]
        )
        // Opening has been tried again and again before it counts as failed.
        expect(machine(), first: .open, [(Self.broken, .fail)])
    }
}
