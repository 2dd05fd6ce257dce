import Foundation
import Testing

/// What a machine allows a builder that is not root of it, as the corpus is built there.
struct CorpusLevel: Sendable {
    enum Kind: Sendable, CaseIterable {
        /// A user namespace with subordinate ids.
        case subordinateIDs
        /// A user namespace with one id.
        case oneID
        /// A container with the default profile.
        case confined
    }

    let kind: Kind
    let slipway: Slipway
    /// Where the builder reads contexts.
    let place: TemporaryDirectory
    /// Who owns contexts.
    fileprivate(set) var user = 0

    /// The base images of the corpus.
    private static let bases = ["busybox:latest", "python:3-alpine"]

    fileprivate static func ofUser(_ kind: Kind, _ user: OrdinaryUser) async throws -> CorpusLevel {
        for base in bases { try await user.load(base) }
        return CorpusLevel(kind: kind, slipway: user.slipway, place: user.directory, user: user.id)
    }

    fileprivate static func confined(_ slipway: Slipway, _ share: TemporaryDirectory) async throws -> CorpusLevel {
        for base in bases {
            let archive = share.path + "/image.tar"
            try await Slipway.shared().succeed("save", "-o", archive, base)
            try await slipway.succeed("load", "-i", archive, in: share.url)
            try FileManager.default.removeItem(atPath: archive)
        }
        return CorpusLevel(kind: .confined, slipway: slipway, place: share)
    }
}

/// Makes what builds the corpus at each level, once for the tests of a suite.
struct CorpusLevels: SuiteTrait, TestScoping {
    @TaskLocal static var current: [CorpusLevel] = []

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        let levels = [
            try await CorpusLevel.ofUser(.subordinateIDs, OrdinaryUser()),
            try await CorpusLevel.ofUser(.oneID, OrdinaryUser(.init(subordinateIDs: nil))),
        ]
        try await ConfinedSlipway.withLastingContainer { slipway, share in
            let confined = try await CorpusLevel.confined(slipway, share)
            try await Self.$current.withValue(levels + [confined], operation: function)
        }
    }
}

extension Trait where Self == CorpusLevels {
    /// Builders at all levels, in `CorpusLevels.current`.
    static var corpusLevels: Self { Self() }
}
