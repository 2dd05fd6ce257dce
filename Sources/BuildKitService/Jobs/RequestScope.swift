import Attestations
import LLB
import OCI
import Synchronization

/// One request of a build for a result, the client's own or one to a frontend, and what was used to answer it.
///
/// Provenance tells of a result by the request that it answers. A frontend's own requests are in scopes within.
final class RequestScope: Sendable {
    private struct State {
        /// Ids of results.
        var results: [String] = []
        var reads = Materials()
        var images: [Materials.Image] = []
        var inner: [RequestScope] = []
    }

    /// What was asked of a frontend; nil for the client itself.
    let parameters: BuildParameters?
    /// What the whole build was asked for; nil where that says nothing.
    private let root: BuildParameters?
    private let state = Mutex(State())

    /// A build, by what its client asked for.
    init(_ root: BuildParameters) {
        parameters = nil
        self.root = root == BuildParameters() ? nil : root
    }

    private init(_ parameters: BuildParameters, _ root: BuildParameters?) {
        self.parameters = parameters
        self.root = root
    }

    /// The scope of a request to a frontend.
    func asking(_ parameters: BuildParameters) -> RequestScope {
        let scope = RequestScope(parameters, root ?? self.parameters)
        state.withLock { $0.inner.append(scope) }
        return scope
    }

    func add(result id: String) { state.withLock { $0.results.append(id) } }

    func add(_ image: Materials.Image) { state.withLock { $0.images.append(image) } }

    /// Takes in what a frontend read besides what is in its graphs.
    func add(reads: Materials, _ images: [Materials.Image]) {
        state.withLock { state in
            state.reads.merge(reads)
            state.images += images
        }
    }

    // MARK: Telling

    /// All results, also those of scopes within.
    var results: [String] {
        let (own, inner) = state.withLock { ($0.results, $0.inner) }
        return own + inner.flatMap(\.results)
    }

    /// All images that were asked for.
    var images: [Materials.Image] {
        let (own, inner) = state.withLock { ($0.images, $0.inner) }
        return own + inner.flatMap(\.images)
    }

    /// All that was read.
    var reads: Materials {
        let (own, inner) = state.withLock { ($0.reads, $0.inner) }
        return inner.reduce(into: own) { $0.merge($1.reads) }
    }

    /// What provenance tells of the request.
    /// - Parameter materials: what the result was made of.
    /// - Returns: the request; an empty one for the client itself.
    func told(madeOf materials: Materials) -> BuildParameters {
        guard var told = parameters else { return BuildParameters() }
        if let root {
            let own = RequestProvenance(told, madeOf: materials)
            let first = RequestProvenance(root, madeOf: materials)
            // One that says nothing but where its Dockerfile is says nothing.
            if first != own, first.parameters != BuildParameters() { told.root = first }
        }
        return told
    }
}
