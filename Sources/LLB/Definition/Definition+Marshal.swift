package import BuildKitProto
import FoundationEssentials
internal import OCI
import SwiftProtobuf

extension Definition {
    /// The bytes of the `pb.Definition`: the operations in order, and last one without an operation whose input is the target.
    ///
    /// Equal definitions have equal bytes. The empty tree is a definition without operations.
    package func marshalled() throws(LLBError) -> [UInt8] { try serialize(message(), what: "the definition") }

    /// The message that the bytes are of.
    package func message() throws(LLBError) -> Pb_Definition {
        var message = Pb_Definition()
        message.def = nodes.map { Data($0.bytes) }
        if let target {
            var input = Pb_Input()
            input.digest = target.node.digest.description
            input.index = Int64(target.index)
            var last = Pb_Op()
            last.inputs = [input]
            message.def.append(Data(try serialize(last, what: "the target")))
        }
        for node in nodes where node.metadata != Metadata() {
            message.metadata[node.digest.description] = encode(node.metadata)
        }
        if !sources.files.isEmpty { message.source = encode(sources) }
        return message
    }
}

private func encode(_ metadata: Metadata) -> Pb_OpMetadata {
    var message = Pb_OpMetadata()
    message.ignoreCache = metadata.ignoresCache
    message.description_p = metadata.description.mapValues { Data($0) }
    message.caps = metadata.capabilities
    if let exports = metadata.exportsCache { message.exportCache.value = exports }
    if let group = metadata.progressGroup {
        message.progressGroup.id = group.id
        message.progressGroup.name = Data(group.name)
        message.progressGroup.weak = group.isWeak
    }
    if let resources = metadata.resources {
        message.linuxResources.memory = resources.memory
        message.linuxResources.memorySwap = resources.memoryAndSwap
        message.linuxResources.cpuShares = resources.processorShares
        message.linuxResources.cpuPeriod = resources.processorPeriod
        message.linuxResources.cpuQuota = resources.processorQuota
        message.linuxResources.cpusetCpus = resources.processors
        message.linuxResources.cpusetMems = resources.memoryNodes
    }
    return message
}

private func encode(_ sources: SourceMap) -> Pb_Source {
    var message = Pb_Source()
    message.infos = sources.files.map { file in
        var info = Pb_SourceInfo()
        info.filename = Data(file.name)
        info.data = Data(file.content)
        info.language = file.language
        if let bytes = file.definition, let graph = try? Pb_Definition(serializedBytes: bytes) {
            info.definition = graph
        }
        return info
    }
    for (digest, places) in sources.places {
        var locations = Pb_Locations()
        locations.locations = places.map { place in
            var location = Pb_Location()
            location.sourceIndex = Int32(clamping: place.file)
            location.ranges = place.spans.map { span in
                var range = Pb_Range()
                range.start = encode(span.start)
                if let end = span.end { range.end = encode(end) }
                return range
            }
            return location
        }
        message.locations[digest.description] = locations
    }
    return message
}

private func encode(_ position: SourceMap.Position) -> Pb_Position {
    var message = Pb_Position()
    message.line = Int32(clamping: position.line)
    message.character = Int32(clamping: position.character)
    return message
}
