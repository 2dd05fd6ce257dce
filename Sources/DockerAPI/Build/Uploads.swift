internal import BuildKitService
internal import RPC
internal import Synchronization
internal import Tasks

/// Contexts that clients send in requests of their own, for builds that they ask for in others.
///
/// Docker's client does so with an archive on its standard input. Either request may come first, and waits for the other.
final class Uploads: Sendable {
    private static let patience = Duration.seconds(5)

    private let offers = Arrivals<Offer>()

    /// Gives a body to the build of an id, and returns when the build needs it no more.
    /// - Throws: `DockerAPIError` where no build asks for it, or another body is offered to the build.
    func offer(_ body: WebBody, toBuild id: String) async throws {
        let offer = Offer(body)
        guard !id.isEmpty, offers.add(offer, named: id) else { throw DockerAPIError.uploadNotWanted(id) }
        defer { offers.remove(id) }
        guard await offer.isTaken(within: Self.patience) else { throw DockerAPIError.uploadNotWanted(id) }
        await offer.finished.value()
    }

    /// Carries a build out with what is sent for it.
    /// - Throws: `DockerAPIError.noUpload` where nothing comes; else what `body` throws.
    func withUpload<Value>(forBuild id: String, _ body: (Upload) async throws -> Value) async throws -> Value {
        guard let offer = try await offers.value(named: id, within: Self.patience), offer.take() else {
            throw DockerAPIError.noUpload
        }
        defer { offer.finished.keep(()) }
        return try await body(Upload(offer.body))
    }
}

/// A body that waits for its build.
///
/// It has one build, and none once its own request is given up: two readers of a body would each get a part.
private final class Offer: Sendable {
    private enum State { case open, taken, withdrawn }

    let body: WebBody
    let finished = Promise<Void>()
    private let state = Mutex(State.open)
    private let settled = Promise<Void>()

    init(_ body: WebBody) { self.body = body }

    /// - Returns: false where it is taken or withdrawn already.
    func take() -> Bool { settle(as: .taken) }

    /// Waits for its build; withdraws it at the end of the time, and where the task is cancelled.
    func isTaken(within patience: Duration) async -> Bool {
        await withTaskGroup { group in
            group.addTask { await self.settled.value() }
            group.addTask {
                try? await Task.sleep(for: patience)
                _ = self.settle(as: .withdrawn)
            }
            await group.next()
            group.cancelAll()
        }
        return state.withLock { $0 == .taken }
    }

    private func settle(as end: State) -> Bool {
        let isFirst = state.withLock { state in
            guard state == .open else { return false }
            state = end
            return true
        }
        if isFirst { settled.keep(()) }
        return isFirst
    }
}
