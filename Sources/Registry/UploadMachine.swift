package import HTTP

/// Where an upload is: the registry's address for it, and how many bytes it has.
package struct UploadSession: Hashable, Sendable {
    package var location: HTTPURL
    package var offset: Int64

    package init(location: HTTPURL, offset: Int64 = 0) {
        self.location = location
        self.offset = offset
    }
}

/// Decides what comes next in the upload of a blob, which breaks off and goes on where the registry says that it
/// stopped.
///
/// It sends nothing itself.
package struct UploadMachine: Sendable {
    package enum Event: Sendable {
        case opened(HTTPURL)
        /// The registry has the blob up to its end.
        case appended(HTTPURL)
        case completed
        /// - isLost: whether the registry no longer knows the upload, or has lost count.
        /// - jitter: a random number of 0 to 1.
        case failed(RetryPolicy.Failure, isLost: Bool, jitter: Double)
        /// What the registry has of an upload that broke off; nil for nothing.
        case located(UploadSession?)
        case rested
    }

    package enum Action: Hashable, Sendable {
        case open
        /// Send the rest of the blob.
        case append(UploadSession)
        /// Say that it is all there, or send it whole with that.
        case complete(UploadSession, withBlob: Bool)
        /// Ask how far the upload came.
        case locate(UploadSession)
        case rest(Duration)
        case succeed
        case fail
    }

    private enum State {
        case opening
        case appending(UploadSession)
        case completing(UploadSession)
        case locating(after: RetryPolicy.Failure, jitter: Double)
        case resting(UploadSession?)
        case ended
    }

    private let size: Int64
    private let isMonolithic: Bool
    private let progressStep: Int64
    private let policy: RetryPolicy
    private var state = State.opening
    private var attempts = 1
    private var lastStep: Int64 = 0

    /// - Parameters:
    ///   - size: of the blob, in bytes.
    ///   - monolithicLimit: up to this size it goes up in one request.
    ///   - progressStep: so many bytes more count as progress, after which attempts are counted anew.
    ///   - policy: how often, and after what time, it is tried again.
    package init(size: Int64, monolithicLimit: Int64, progressStep: Int64, policy: RetryPolicy) {
        self.size = size
        isMonolithic = size <= monolithicLimit
        self.progressStep = progressStep
        self.policy = policy
    }

    /// The first thing to do.
    /// - Parameter location: of an upload that the registry has opened already.
    /// - Returns: the action to take.
    package mutating func begin(at location: HTTPURL?) -> Action { next(location.map { UploadSession(location: $0) }) }

    /// What to do after something has happened; what cannot happen now changes nothing and fails.
    package mutating func receive(_ event: Event) -> Action {
        switch (state, event) {
        case (.opening, .opened(let location)): return next(UploadSession(location: location))
        case (.appending, .appended(let location)): return next(UploadSession(location: location, offset: size))
        case (.completing, .completed): return end(.succeed)
        case (.appending, .failed(_, isLost: true, let jitter)), (.completing, .failed(_, isLost: true, let jitter)):
            return rest(after: .connection(.closed), jitter, nil)
        case (.appending(let session), .failed(let failure, isLost: false, let jitter)),
            (.completing(let session), .failed(let failure, isLost: false, let jitter)):
            state = .locating(after: failure, jitter: jitter)
            return .locate(session)
        case (.locating(let failure, let jitter), .located(let session)): return rest(after: failure, jitter, session)
        case (.resting(let session), .rested): return next(session)
        // Opening was tried as often as the policy has it.
        default: return end(.fail)
        }
    }

    private mutating func next(_ session: UploadSession?) -> Action {
        guard let session else {
            state = .opening
            return .open
        }
        if !isMonolithic, session.offset < size {
            state = .appending(session)
            return .append(session)
        }
        state = .completing(session)
        return .complete(session, withBlob: isMonolithic)
    }

    private mutating func rest(after failure: RetryPolicy.Failure, _ jitter: Double, _ session: UploadSession?)
        -> Action
    {
        let offset = session?.offset ?? 0
        if offset - lastStep >= progressStep {
            lastStep = offset
            attempts = 1
        }
        switch policy.verdict(on: failure, attempt: attempts, jitter: jitter) {
        case .fail: return end(.fail)
        case .retry(let delay):
            attempts += 1
            state = .resting(session)
            return .rest(delay)
        }
    }

    private mutating func end(_ action: Action) -> Action {
        state = .ended
        return action
    }
}
