package import BuildKitProto
import FoundationEssentials
import OCI
import SwiftProtobuf

/// What a definition from elsewhere may cost.
package struct DefinitionLimits: Sendable {
    /// Bytes of the whole definition.
    package var size = 64 << 20
    /// Bytes of one operation.
    package var operationSize = 16 << 20
    package var operationCount = 100_000

    package init() {}
}

extension Definition {
    /// Reads and checks a `pb.Definition`, which may come from another program.
    ///
    /// Operations keep their bytes, and so their digests. Every input must exist and every index be in range.
    package static func load(
        _ bytes: [UInt8],
        limits: DefinitionLimits = DefinitionLimits()
    ) throws(LLBError) -> Definition {
        try check("the definition", bytes.count, limits.size)
        let message: Pb_Definition
        do { message = try Pb_Definition(serializedBytes: bytes) } catch { throw .malformed(what: "the definition") }
        return try load(message, limits: limits)
    }

    /// Reads and checks a definition that came in a message.
    package static func load(
        _ message: Pb_Definition,
        limits: DefinitionLimits = DefinitionLimits()
    ) throws(LLBError) -> Definition {
        try check("the list of operations", message.def.count, limits.operationCount)
        guard !message.def.isEmpty else { return Definition(target: nil, sources: decode(message.source)) }
        var loader = DefinitionLoader(metadata: message.metadata)
        for (position, operation) in message.def.enumerated() {
            try check("operation \(position)", operation.count, limits.operationSize)
            try loader.add([UInt8](operation), position: position)
        }
        return Definition(target: try loader.target(), sources: decode(message.source))
    }

    private static func check(_ what: String, _ size: Int, _ limit: Int) throws(LLBError) {
        if size > limit { throw .tooLarge(what: what, size: size, limit: limit) }
    }
}

private struct DefinitionLoader {
    private struct Pending {
        let digest: Digest
        let bytes: [UInt8]
        let message: Pb_Op
    }

    private let metadata: [String: Pb_OpMetadata]
    private var pending: [String: Pending] = [:]
    private var last: Pending?
    private var nodes: [String: Node] = [:]

    init(metadata: [String: Pb_OpMetadata]) { self.metadata = metadata }

    mutating func add(_ bytes: [UInt8], position: Int) throws(LLBError) {
        let message: Pb_Op
        do { message = try Pb_Op(serializedBytes: bytes) } catch { throw .malformed(what: "operation \(position)") }
        let digest = Digest.sha256(of: bytes)
        let operation = Pending(digest: digest, bytes: bytes, message: message)
        pending[digest.description] = operation
        last = operation
    }

    /// The input of the last operation, which names the target and does nothing itself.
    mutating func target() throws(LLBError) -> Output? {
        guard let last else { return nil }
        guard last.message.op == nil, last.message.inputs.count == 1, let input = last.message.inputs.first else {
            throw .invalidOperation(
                digest: last.digest,
                reason: "the last operation must name one target and nothing else"
            )
        }
        try build(input.digest, for: last.digest)
        return try output(input, for: last.digest)
    }

    /// Makes the node of a digest and all it needs, without recursion.
    ///
    /// No operation can hold its own digest; the check for cycles costs nothing and keeps the loop finite whatever the digests are.
    private mutating func build(_ name: String, for user: Digest) throws(LLBError) {
        var path: [(name: String, user: Digest)] = [(name, user)]
        var open: Set<String> = []
        while let (name, user) = path.last {
            if nodes[name] != nil {
                path.removeLast()
                continue
            }
            guard let operation = pending[name] else { throw .missingInput(digest: name, of: user) }
            let missing = operation.message.inputs.filter { nodes[$0.digest] == nil }
            if missing.isEmpty {
                nodes[name] = try node(operation)
                path.removeLast()
                continue
            }
            guard open.insert(name).inserted else { throw .cycle(through: operation.digest) }
            path += missing.reversed().map { ($0.digest, operation.digest) }
        }
    }

    private func node(_ operation: Pending) throws(LLBError) -> Node {
        var inputs: [Output] = []
        for input in operation.message.inputs { inputs.append(try output(input, for: operation.digest)) }
        let decoder = OperationDecoder(digest: operation.digest, inputs: inputs)
        return Node(
            try decoder.decode(operation.message),
            inputs: inputs,
            platform: operation.message.hasPlatform ? decode(operation.message.platform) : nil,
            metadata: metadata[operation.digest.description].map(decode) ?? Metadata(),
            bytes: operation.bytes,
            digest: operation.digest
        )
    }

    private func output(_ input: Pb_Input, for user: Digest) throws(LLBError) -> Output {
        guard let node = nodes[input.digest] else { throw .missingInput(digest: input.digest, of: user) }
        guard input.index >= 0, input.index < node.operation.outputCount else {
            throw .noSuchResult(index: input.index, of: node.digest, by: user)
        }
        return Output(node, index: Int(input.index))
    }
}

private func decode(_ message: Pb_Platform) -> Platform {
    var platform = Platform(
        os: message.os,
        architecture: message.architecture,
        variant: message.variant.isEmpty ? nil : message.variant
    )
    platform.osVersion = message.osversion.isEmpty ? nil : message.osversion
    platform.osFeatures = message.osfeatures.isEmpty ? nil : message.osfeatures
    return platform
}

private func decode(_ message: Pb_OpMetadata) -> Metadata {
    var metadata = Metadata(
        description: message.description_p.mapValues { [UInt8]($0) },
        ignoresCache: message.ignoreCache
    )
    metadata.capabilities = message.caps
    if message.hasExportCache { metadata.exportsCache = message.exportCache.value }
    if message.hasProgressGroup {
        metadata.progressGroup = ProgressGroup(
            id: message.progressGroup.id,
            name: [UInt8](message.progressGroup.name),
            isWeak: message.progressGroup.weak
        )
    }
    if message.hasLinuxResources {
        var resources = Resources()
        resources.memory = message.linuxResources.memory
        resources.memoryAndSwap = message.linuxResources.memorySwap
        resources.processorShares = message.linuxResources.cpuShares
        resources.processorPeriod = message.linuxResources.cpuPeriod
        resources.processorQuota = message.linuxResources.cpuQuota
        resources.processors = message.linuxResources.cpusetCpus
        resources.memoryNodes = message.linuxResources.cpusetMems
        metadata.resources = resources
    }
    return metadata
}

private func decode(_ message: Pb_Source) -> SourceMap {
    var sources = SourceMap()
    sources.files = message.infos.map { info in
        SourceMap.File(
            name: [UInt8](info.filename),
            content: [UInt8](info.data),
            language: info.language,
            definition: info.hasDefinition ? try? info.definition.serializedBytes() : nil
        )
    }
    for (name, locations) in message.locations {
        guard let digest = try? Digest(parsing: name) else { continue }
        sources.places[digest] = locations.locations.map { location in
            SourceMap.Place(
                file: Int(location.sourceIndex),
                location.ranges.map { SourceMap.Span(decode($0.start), $0.hasEnd ? decode($0.end) : nil) }
            )
        }
    }
    return sources
}

private func decode(_ message: Pb_Position) -> SourceMap.Position {
    SourceMap.Position(line: Int(message.line), character: Int(message.character))
}
