package import OCI
internal import Synchronization

/// Something outside of registries, or beside those that are known, that has blobs: a build cache that a build reads.
package protocol BlobOffer: Sendable {
    /// What the user calls it.
    var name: String { get }

    /// Gives out the bytes of a blob from an offset on; what is not the blob's is found out by the receiver.
    func read(
        _ blob: Descriptor,
        from offset: Int64,
        _ receive: ([UInt8]) async throws -> Void
    ) async throws
}

/// Ends the reading of a blob with its first bytes.
private struct Begun: Error {}

extension BlobOffer {
    /// Whether the blob can still be read: what a document promises may have been removed since.
    package func has(_ blob: Descriptor) async throws -> Bool {
        if blob.size == 0 { return true }
        do {
            try await read(blob, from: 0) { _ in throw Begun() }
            return false
        } catch is Begun {
            return true
        } catch let error as CancellationError {
            throw error
        } catch {
            return false
        }
    }
}

/// What the caches that one build reads offer it; another build in the same process knows nothing of it.
package final class BlobOffers: Sendable {
    private struct State {
        var byDigest: [Digest: [any BlobOffer]] = [:]
        /// By name, what went wrong with offers that did not keep what they promised.
        var failures: [String: String] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// Lets blobs be fetched from somewhere else, too, before any repository is asked.
    package func offer(_ digests: Set<Digest>, by offer: any BlobOffer) {
        state.withLock { state in
            for digest in digests { state.byDigest[digest, default: []].append(offer) }
        }
    }

    /// Whether a blob is offered.
    package func isOffered(_ digest: Digest) -> Bool { state.withLock { $0.byDigest[digest] != nil } }

    /// Takes back all offers of those who could not give what they had offered.
    /// - Returns: their names, each with what went wrong.
    package func withdrawFailed() -> [(name: String, reason: String)] {
        state.withLock { state in
            let failures = state.failures
            state.byDigest = state.byDigest.compactMapValues { list in
                let rest = list.filter { failures[$0.name] == nil }
                return rest.isEmpty ? nil : rest
            }
            state.failures = [:]
            return failures.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        }
    }

    /// Who has a blob to give.
    package func offers(of digest: Digest) -> [any BlobOffer] { state.withLock { $0.byDigest[digest] ?? [] } }

    /// Notes that those who offered a blob did not give it.
    package func failed(_ offers: [any BlobOffer], _ reason: String) {
        state.withLock { state in
            for offer in offers { state.failures[offer.name] = reason }
        }
    }
}
