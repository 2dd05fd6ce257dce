import BuildCache
import BuildKitProto
import FoundationEssentials
import OCI
import RPC
import SwiftProtobuf
import Text

extension Moby_Buildkit_V1_BuildHistoryRecord {
    /// What clients are told of a build; nil for one that no client asked for.
    init?(_ build: BuildRecord) {
        guard let client = build.client else { return nil }
        self.init(client, ref: build.id)
        createdAt = Google_Protobuf_Timestamp(build.started)
        completedAt = Google_Protobuf_Timestamp(build.completed)
    }

    /// The same without its times.
    init(_ client: ClientRecord, ref: String) {
        self.init()
        self.ref = ref
        frontend = client.frontend
        frontendAttrs = client.attributes
        exporters = client.outputs.map { output in
            .with {
                $0.type = output.type
                $0.attrs = output.attributes
            }
        }
        exporterResponse = client.responses
        if let failure = client.failure {
            error.code = Int32(clamping: failure.code)
            error.message = failure.message
            externalError = Moby_Buildkit_V1_Descriptor(failure.details)
        }
        if let descriptor = client.log { logs = Moby_Buildkit_V1_Descriptor(descriptor) }
        if let descriptor = client.trace { trace = Moby_Buildkit_V1_Descriptor(descriptor) }
        generation = Int32(clamping: client.generation)
        pinned = client.isPinned
        numTotalSteps = Int32(clamping: client.steps.total)
        numCompletedSteps = Int32(clamping: client.steps.completed)
        numCachedSteps = Int32(clamping: client.steps.cached)
        numWarnings = Int32(clamping: client.steps.warnings)
        setResults(client)
    }

    private mutating func setResults(_ client: ClientRecord) {
        // Clients look into it without asking whether it is there.
        result = Moby_Buildkit_V1_BuildResultInfo()
        if let first = client.results.min(by: { $0.key < $1.key }) {
            result.resultDeprecated = Moby_Buildkit_V1_Descriptor(first.value)
            for (number, descriptor) in client.results {
                result.results[Int64(number)] = Moby_Buildkit_V1_Descriptor(descriptor)
            }
        }
        for (platform, descriptors) in client.attestations {
            let messages = descriptors.map { Moby_Buildkit_V1_Descriptor($0) }
            if platform.isEmpty {
                result.attestations = messages
            } else {
                results[platform, default: Moby_Buildkit_V1_BuildResultInfo()].attestations = messages
            }
        }
    }
}

extension Moby_Buildkit_V1_Descriptor {
    init(_ descriptor: Descriptor) {
        self.init()
        mediaType = descriptor.mediaType.rawValue
        digest = descriptor.digest.description
        size = descriptor.size
        annotations = descriptor.annotations ?? [:]
    }
}

extension ClientRecord {
    /// What a client asks for, without what it may not be told again: others see the history, too.
    init(_ question: Moby_Buildkit_V1_SolveRequest) {
        var attributes: [String: String] = [:]
        for (name, value) in question.frontendAttrs {
            attributes[name] = name == "cache-imports" ? Self.withoutSecrets(caches: value) : withoutCredentials(value)
        }
        self.init(
            frontend: question.frontend,
            attributes: attributes,
            outputs: question.outputs.map { output in
                Output(type: output.type, attributes: output.attrs.mapValues { withoutCredentials($0) })
            }
        )
    }

    private struct Cache: Codable {
        let type: String
        var attributes: [String: String]?

        enum CodingKeys: String, CodingKey {
            case type = "Type"
            case attributes = "Attrs"
        }
    }

    /// Caches without their keys and tokens.
    private static func withoutSecrets(caches text: String) -> String {
        guard var caches = try? JSONDecoder().decode([Cache].self, from: Data(text.utf8)) else { return "" }
        for index in caches.indices {
            caches[index].attributes = caches[index].attributes?.filter { ["ref", "scope"].contains($0.key) }
        }
        guard let bytes = try? StrictJSON.encode(caches) else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Moby_Buildkit_V1_SolveRequest {
    /// The outputs, also of clients that know of one only.
    var outputs: [Moby_Buildkit_V1_Exporter] {
        if !exporters.isEmpty || exporterDeprecated.isEmpty { return exporters }
        return [
            .with {
                $0.type = exporterDeprecated
                $0.attrs = exporterAttrsDeprecated
            }
        ]
    }
}

extension Google_Rpc_Status {
    init(_ failure: RPCFailure) {
        self.init()
        code = Int32(clamping: failure.code.rawValue)
        message = failure.message
        details = failure.details.map { detail in
            .with {
                $0.typeURL = detail.typeURL
                $0.value = Data(detail.value)
            }
        }
    }
}
