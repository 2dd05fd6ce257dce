import BuildKitProto
import FoundationEssentials
internal import OCI
import SwiftProtobuf
package import Text

extension Definition {
    /// The whole graph as a document, as BuildKit's `frontend.convertllb` gives it.
    ///
    /// Operations are written by the rules of protobuf's JSON: fields with their default value are left out, numbers of 64 bits are
    /// strings, bytes are base64. Metadata is written by those of Go's own encoder, as there.
    package func json() throws(LLBError) -> JSONValue {
        let message = try message()
        var operations: [(String, JSONValue)] = []
        for bytes in message.def {
            let operation: Pb_Op
            do { operation = try Pb_Op(serializedBytes: bytes) } catch { throw .malformed(what: "an operation") }
            operations.append((Digest.sha256(of: Array(bytes)).description, operation.json(.protobuf)))
        }
        return .object([
            .init("def", object(operations)),
            .init("metadata", object(message.metadata.map { ($0, $1.json) })),
            .init("source", message.hasSource ? message.source.json : .object([])),
        ])
    }
}

// MARK: Metadata and source

extension Pb_OpMetadata {
    // Go's encoder takes the names of the file, and numbers are numbers.
    fileprivate var json: JSONValue {
        let descriptions = description_p.map { ($0, JSONValue.string(String(decoding: $1, as: UTF8.self))) }
        let group = members(
            ("id", text(progressGroup.id)),
            ("name", text(progressGroup.name)),
            ("weak", flag(progressGroup.weak))
        )
        let resources = members(
            ("memory", plain(linuxResources.memory)),
            ("memorySwap", plain(linuxResources.memorySwap)),
            ("cpuShares", plain(linuxResources.cpuShares)),
            ("cpuPeriod", plain(linuxResources.cpuPeriod)),
            ("cpuQuota", plain(linuxResources.cpuQuota)),
            ("cpusetCpus", text(linuxResources.cpusetCpus)),
            ("cpusetMems", text(linuxResources.cpusetMems))
        )
        return members(
            ("ignore_cache", flag(ignoreCache)),
            ("description", descriptions.isEmpty ? nil : object(descriptions)),
            ("export_cache", hasExportCache ? members(("Value", flag(exportCache.value))) : nil),
            ("caps", caps.isEmpty ? nil : object(caps.map { ($0, .bool($1)) })),
            ("progress_group", hasProgressGroup ? group : nil),
            ("linux_resources", hasLinuxResources ? resources : nil)
        )
    }
}

extension Pb_Source {
    fileprivate var json: JSONValue {
        let places = locations.map { ($0, $1.json) }
        return members(
            ("locations", places.isEmpty ? nil : object(places)),
            ("infos", list(infos) { $0.json })
        )
    }
}

extension Pb_SourceInfo {
    var json: JSONValue {
        members(
            ("filename", text(filename)),
            ("data", base64(data)),
            ("language", text(language))
        )
    }
}

extension Pb_Locations {
    var json: JSONValue {
        func position(_ position: Pb_Position) -> JSONValue {
            members(("line", plain(position.line)), ("character", plain(position.character)))
        }
        let found = list(locations) { location in
            let ranges = list(location.ranges) { range in
                members(
                    ("start", range.hasStart ? position(range.start) : nil),
                    ("end", range.hasEnd ? position(range.end) : nil)
                )
            }
            return members(("sourceIndex", plain(location.sourceIndex)), ("ranges", ranges))
        }
        return members(("locations", found))
    }
}
