package import OCI
package import Text

/// An in-toto statement: what is said of some things, and of which.
///
/// See the in-toto attestation framework, statement layer v1.
package struct Statement: Sendable, Hashable {
    /// A thing that a statement is about.
    package struct Subject: Sendable, Hashable {
        package let name: String
        package let digests: [Digest]

        package init(name: String, digests: [Digest]) {
            self.name = name
            self.digests = digests
        }

        fileprivate var json: JSONValue {
            .object([.init("name", .string(name)), .init("digest", Self.json(digests))])
        }

        static func json(_ digests: [Digest]) -> JSONValue {
            .object(digests.map { .init($0.algorithm.rawValue, .string($0.hex)) }.sorted { $0.name < $1.name })
        }
    }

    package static let type = "https://in-toto.io/Statement/v1"
    package static let mediaType = MediaType(rawValue: "application/vnd.in-toto+json")
    /// The annotation that says what kind of statement a blob holds.
    package static let predicateTypeKey = "in-toto.io/predicate-type"
    /// Lists of parts in SPDX's form.
    package static let spdx = "https://spdx.dev/Document"
    /// What all types of provenance begin with.
    package static let provenancePrefix = "https://slsa.dev/provenance/"

    package let predicateType: String
    package let subjects: [Subject]
    package let predicate: JSONValue

    package init(_ predicateType: String, of subjects: [Subject], _ predicate: JSONValue) {
        self.predicateType = predicateType
        self.subjects = subjects
        self.predicate = predicate
    }

    package var json: JSONValue {
        .object([
            .init("_type", .string(Self.type)), .init("predicateType", .string(predicateType)),
            .init("subject", .array(subjects.map(\.json))), .init("predicate", predicate),
        ])
    }
}
