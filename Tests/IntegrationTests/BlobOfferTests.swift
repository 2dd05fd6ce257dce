import Foundation
import Images
import OCI
import Proofs
import Snapshots
import Storage
import SystemPackage
import Testing
import Text

/// Gives the bytes that it was made with, or fails.
private struct TestOffer: BlobOffer {
    let name: String
    let content: [UInt8]?

    func read(_ blob: Descriptor, from offset: Int64, _ receive: ([UInt8]) async throws -> Void) async throws {
        struct Broken: Error {}
        guard let content else { throw Broken() }
        try await receive(Array(content[Int(offset)...]))
    }
}

/// One process may run several builds at a time, each with caches of its own.
@Suite struct `What caches offer to one build` {
    @Test(.proves("D: a remote cache that fails one")) func `neither helps another build nor spoils it`() async throws {
        try await withScratchDirectory { directory in
            let setup = try await RemoteSetup(root: directory)
            let (store, provider) = (setup.store, setup.remote.blobs)
            let content: [UInt8] = "layer"
            let blob = Descriptor(mediaType: .ociLayer, digest: Digest.sha256(of: content), size: 5)
            let (broken, whole, none) = (BlobOffers(), BlobOffers(), BlobOffers())
            broken.offer([blob.digest], by: TestOffer(name: "broken", content: nil))
            whole.offer([blob.digest], by: TestOffer(name: "whole", content: content))
            func fetch(_ offers: BlobOffers) async throws {
                try await store.withLease { try await provider.fetch(blob, in: $0, offers: offers) }
            }
            await #expect(throws: RemoteImageError.self) { try await fetch(none) }
            await #expect(throws: (any Error).self) { try await fetch(broken) }
            try await fetch(whole)
            #expect(broken.withdrawFailed().map(\.name) == ["broken"])
            #expect(!broken.isOffered(blob.digest))
            #expect(whole.withdrawFailed().isEmpty && whole.isOffered(blob.digest))
            #expect(!none.isOffered(blob.digest))
            await store.close()
        }
    }
}
