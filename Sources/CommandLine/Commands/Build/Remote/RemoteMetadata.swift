internal import BuildGraph
internal import FoundationEssentials
internal import Terminal
internal import Text

/// What a daemon says of a result, and what users are told of that.
struct RemoteMetadata {
    private let answer: [String: String]
    private let reference: String

    /// - Parameters:
    ///   - answer: under the keys of BuildKit.
    ///   - reference: what the daemon knows the build by.
    init(_ answer: [String: String], reference: String) {
        self.answer = answer
        self.reference = reference
    }

    /// The image's id: the digest of its configuration, or of its index; empty without an image.
    var imageID: String {
        answer["containerimage.config.digest"] ?? answer["containerimage.digest"] ?? ""
    }

    /// The document of `--metadata-file`, in which what is a document itself is part of it.
    func document(warnings: [VertexWarning]) -> JSONValue {
        var members = answer.mapValues { Self.value($0) }
        members["buildx.build.ref"] = .string("default/default/\(reference)")
        if !warnings.isEmpty { members["buildx.build.warnings"] = .array(warnings.map(\.json)) }
        return .object(sorting: members)
    }

    private static func value(_ text: String) -> JSONValue {
        let bytes = bytes(ofBase64: text) ?? Array(text.utf8)
        switch try? JSONValue(parsing: bytes) {
        case .object(let members)? where !members.isEmpty: return .object(members)
        case .array(let values)? where !values.isEmpty: return .array(values)
        case _: return .string(text)
        }
    }
}
