package import OCI

/// What a client of the daemon asked for and got, as clients are told of it later.
package struct ClientRecord: Hashable, Sendable, Codable {
    /// An output, as the client asked for it.
    package struct Output: Hashable, Sendable, Codable {
        package let type: String
        package let attributes: [String: String]

        package init(type: String, attributes: [String: String]) {
            self.type = type
            self.attributes = attributes
        }
    }

    /// Why the build failed, as gRPC says it.
    package struct Failure: Hashable, Sendable, Codable {
        package let code: Int
        package let message: String
        /// The same with all that lets clients explain it.
        package let details: Descriptor

        package init(code: Int, message: String, details: Descriptor) {
            self.code = code
            self.message = message
            self.details = details
        }
    }

    /// How many steps the build had.
    package struct Steps: Hashable, Sendable, Codable {
        package var total = 0
        package var completed = 0
        package var cached = 0
        package var warnings = 0

        package init() {}
    }

    package let frontend: String
    package let attributes: [String: String]
    package let outputs: [Output]
    /// What the client was told in the end.
    package var responses: [String: String] = [:]
    package var failure: Failure?
    package var steps = Steps()
    /// What the build told while it ran.
    package var log: Descriptor?
    package var trace: Descriptor?
    /// What each output gave, by its number.
    package var results: [Int: Descriptor] = [:]
    /// What is attested of the result of each platform; the name of the only one is empty.
    package var attestations: [String: [Descriptor]] = [:]
    /// How often the record was changed.
    package var generation = 0
    /// Whether it stays until a client removes it.
    package var isPinned = false

    package init(frontend: String, attributes: [String: String], outputs: [Output]) {
        self.frontend = frontend
        self.attributes = attributes
        self.outputs = outputs
    }

    /// The blobs that stay as long as the record.
    var blobs: Set<Digest> {
        let all = [failure?.details, log, trace].compactMap(\.self) + results.values + attestations.values.joined()
        return Set(all.map(\.digest))
    }
}
