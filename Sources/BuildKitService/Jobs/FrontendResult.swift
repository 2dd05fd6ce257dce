import BuildEngine
import BuildKitProto
import DockerfileFrontend
import Exporters
import FoundationEssentials
import LLB
import OCI
import SwiftProtobuf
import Text

/// What a frontend gave: results by the names of their platforms, or one without a name, and what it says of them.
struct FrontendResult: Sendable {
    /// A result; nil where it has no files.
    enum References: Sendable {
        case one(String?)
        case several([String: String?])
    }

    var references: References
    var metadata: [String: [UInt8]]
    /// What it says of results, by the names of their platforms.
    var attestations: [String: [ReturnedAttestation]] = [:]

    // Keys of the metadata.
    static let configurationKey = "containerimage.config"
    static let baseConfigurationKey = "containerimage.base.config"
    static let platformsKey = "refs.platforms"
    static let epochKey = "source.date.epoch"
    static let nameKey = "image.name"

    /// The ids of the results that have files.
    var ids: [String] {
        switch references {
        case .one(let id): id.map { [$0] } ?? []
        case .several(let ids): ids.sorted { $0.key < $1.key }.compactMap(\.value)
        }
    }

    /// The value of a key, for one platform where the frontend says it for each.
    func value(_ key: String, for platform: String) -> [UInt8]? { metadata["\(key)/\(platform)"] ?? metadata[key] }

    /// Gives results other ids.
    mutating func replaceReferences(_ replacement: (String) throws -> String?) rethrows {
        switch references {
        case .one(let id): references = .one(try id.flatMap(replacement))
        case .several(let ids): references = .several(try ids.mapValues { try $0.flatMap(replacement) })
        }
    }

    /// An output as it is with what the frontend says of the image.
    /// - Throws: `ExportError` for annotations that cannot be understood.
    func described(_ export: Export) throws(ExportError) -> Export {
        var annotations: [ImageAnnotation] = []
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            let text = String(decoding: value, as: UTF8.self)
            if let annotation = try ImageAnnotation(attribute: key, value: text) { annotations.append(annotation) }
        }
        let name = metadata[Self.nameKey].map { String(decoding: $0, as: UTF8.self) }
        return export.described(by: annotations, name: name)
    }

    /// The platforms that the frontend names, by the ids that keys have for them.
    func platforms() throws(ServiceError) -> [(id: String, platform: Platform)] {
        guard let bytes = metadata[Self.platformsKey] else { return [] }
        let document: PlatformsDocument?
        do { document = try JSONDecoder().decode(PlatformsDocument?.self, from: Data(bytes)) } catch {
            throw .invalidResult("\(Self.platformsKey) cannot be read: \(error)")
        }
        // The complaints are BuildKit's, which tools look for.
        guard let entries = document?.platforms, !entries.isEmpty else {
            throw .invalidResult("invalid empty platforms index for exporter")
        }
        return try entries.map { entry throws(ServiceError) in
            if entry.id.isEmpty { throw .invalidResult("invalid empty platform key for exporter") }
            if entry.platform.os.isEmpty || entry.platform.architecture.isEmpty {
                throw .invalidResult(
                    "invalid platform value of \(escapedForDisplay(Array(entry.id.utf8))) for exporter"
                )
            }
            return (entry.id, entry.platform.normalized)
        }
    }

    /// The configurations that the metadata gives; under nil the one for every platform that has none of its own.
    func configurations() throws -> [Platform?: ImageConfiguration] {
        var configurations: [Platform?: ImageConfiguration] = [:]
        for key in metadata.keys where "\(key)/".hasPrefix("\(Self.configurationKey)/") {
            let id = String(key.dropFirst(Self.configurationKey.count + 1))
            let platform = id.isEmpty ? nil : try Platform(parsing: id).normalized
            configurations[platform] = try configuration(for: id, platform)
        }
        return configurations
    }

    /// The configuration of an image of a platform; nil where the frontend gives none.
    func configuration(for id: String, _ named: Platform?) throws -> ImageConfiguration? {
        guard let bytes = value(Self.configurationKey, for: id) else { return nil }
        if bytes.elementsEqual("null".utf8) {
            throw ServiceError.invalidResult("invalid null image config for export")
        }
        var configuration = try ImageConfiguration(parsingWithoutLayers: bytes)
        let platform = named ?? .current.normalized
        let lacks = (os: configuration.os.isEmpty, architecture: configuration.architecture.isEmpty)
        // Where the platform is told besides, BuildKit does not look for it here: a client's frontend may give half of it.
        guard named != nil || lacks.os == lacks.architecture else {
            throw ServiceError.invalidResult(
                "invalid image config: os and architecture must be specified together"
            )
        }
        if lacks.os { configuration.os = platform.os }
        if lacks.architecture {
            (configuration.architecture, configuration.variant) = (platform.architecture, platform.variant)
        }
        return configuration
    }
}

/// The value of `refs.platforms`.
struct PlatformsDocument: Codable {
    struct Entry: Codable {
        let id: String
        let platform: Platform

        enum CodingKeys: String, CodingKey {
            case id = "ID"
            case platform = "Platform"
        }
    }

    /// Nil where Go writes an empty list.
    let platforms: [Entry]?

    enum CodingKeys: String, CodingKey { case platforms = "Platforms" }
}

// MARK: Messages

extension FrontendResult {
    /// What a client says that its frontend gave.
    init(_ message: Moby_Buildkit_V1_Frontend_Result) throws(ServiceError) {
        func reference(_ id: String) -> String? { id.isEmpty ? nil : id }
        switch message.result {
        case .refDeprecated(let id)?: references = .one(reference(id))
        case .ref(let ref)?: references = .one(reference(ref.id))
        case .refsDeprecated(let map)?: references = .several(map.refs.mapValues(reference))
        case .refs(let map)?: references = .several(map.refs.mapValues { reference($0.id) })
        case nil: references = .one(nil)
        }
        metadata = message.metadata.mapValues { [UInt8]($0) }
        for (name, list) in message.attestations {
            for attestation in list.attestation {
                attestations[name, default: []].append(try ReturnedAttestation(attestation))
            }
        }
    }

    /// The message for a client.
    /// - Parameters:
    ///   - takesDefinitions: whether the client knows results that have graphs.
    ///   - definition: the graph of a result, for clients that build on it.
    /// - Returns: the message.
    /// - Throws: what `definition` throws.
    func message(
        takesDefinitions: Bool,
        _ definition: (String) throws -> Pb_Definition?
    ) throws -> Moby_Buildkit_V1_Frontend_Result {
        func reference(_ id: String?) throws -> Moby_Buildkit_V1_Frontend_Ref {
            try .with {
                $0.id = id ?? ""
                if let id, let graph = try definition(id) { $0.def = graph }
            }
        }
        return try .with { message in
            message.metadata = metadata.mapValues { Data($0) }
            message.attestations = attestations.mapValues { list in .with { $0.attestation = list.map(\.message) } }
            switch references {
            case .one(let id):
                message.result = takesDefinitions ? .ref(try reference(id)) : .refDeprecated(id ?? "")
            case .several(let ids):
                message.result =
                    takesDefinitions
                    ? .refs(try .with { $0.refs = try ids.mapValues(reference) })
                    : .refsDeprecated(.with { $0.refs = ids.mapValues { $0 ?? "" } })
            }
        }
    }
}
