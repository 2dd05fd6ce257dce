import BuildKitProto
import Foundation
import OCI
import Proofs
import SwiftProtobuf
import Testing
import Text

@testable import LLB

/// The document of `frontend.convertllb`.
@Suite struct `LLB documents` {
    private func object(_ text: String) throws -> NSDictionary {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary)
    }

    /// What the protobuf library itself writes, with text where our messages have bytes and BuildKit's have strings.
    private func asBuildKit(_ value: Any, key: String = "") -> Any {
        // Strings in our messages too, numbers and names of values; `data` is bytes in BuildKit's as well.
        let kept: Set = [
            "digest", "index", "input", "secondaryInput", "output", "size", "timestamp", "Soft", "Hard", "network",
            "security", "mountType", "sharing", "contentCache", "data", "Architecture", "OS", "Variant", "OSVersion",
            "OSFeatures",
        ]
        switch value {
        case let members as [String: Any]:
            let isMap = key == "attrs"
            return Dictionary(
                uniqueKeysWithValues: members.map { ($0, asBuildKit($1, key: isMap ? "bytes" : $0)) }
            ) as NSDictionary
        case let elements as [Any]: return elements.map { asBuildKit($0, key: key) } as NSArray
        case let text as String where !kept.contains(key):
            return Data(base64Encoded: text).map { String(decoding: $0, as: UTF8.self) } ?? text
        default: return value
        }
    }

    @Test(.proves("convertllb")) func `are by the rules of protobuf's JSON`() throws {
        let definition = try exampleDefinition()
        let document = try object(try definition.json().text())
        let operations = try #require(document["def"] as? [String: NSDictionary])
        #expect(operations.count == definition.nodes.count + 1)
        for node in definition.nodes {
            let message = try Pb_Op(serializedBytes: node.bytes)
            let expected = asBuildKit(try JSONSerialization.jsonObject(with: message.jsonUTF8Data()))
            let found = try #require(operations[node.digest.description])
            #expect(found.isEqual(expected), "\(found) is not \(expected)")
        }
    }

    @Test(.proves("convertllb"))
    func `leave out defaults, write long numbers as text, and metadata as Go does`() throws {
        var process = Process(arguments: [bytes("a"), bytes("<b>")])
        process.limits = [ResourceLimit(name: bytes("nofile"), soft: 10, hard: -1)]
        var metadata = Metadata(name: bytes("title"), ignoresCache: true)
        metadata.resources = Resources()
        metadata.resources?.memory = 64
        var exec = Exec(process: process, mounts: [.root(nil)], network: .host)
        exec.devices = [Device(name: bytes("v/c=d"), isOptional: true)]
        let output = try Output.run(exec, platform: Platform(os: "linux", architecture: "arm64"), metadata: metadata)
        let definition = Definition(target: output, sources: SourceMap(files: [], places: [:]))
        let text = try definition.json().text()
        let root = #"{"input":"-1","dest":"/"}"#
        let limit = #"{"Name":"nofile","Soft":"10","Hard":"-1"}"#
        let expected =
            #"{"exec":{"meta":{"args":["a","\u003cb\u003e"],"cwd":"/","ulimit":[\#(limit)]},"mounts":[\#(root)],"network":"HOST","#
            + #""cdiDevices":[{"name":"v/c=d","optional":true}]},"platform":{"Architecture":"arm64","OS":"linux"}}"#
        #expect(text.contains(#""\#(output.node.digest)":\#(expected)"#), "\(text)")
        #expect(text.contains(#""linux_resources":{"memory":64}"#) && text.contains(#""ignore_cache":true"#))
        let last = #"{"inputs":[{"digest":"\#(output.node.digest)"}]}"#
        #expect(text.contains(#""\#(Digest.sha256(of: try lastOperation(of: definition)))":\#(last)"#))
    }

    /// The bytes of the operation that names the target.
    private func lastOperation(of definition: Definition) throws -> [UInt8] {
        let message = try Pb_Definition(serializedBytes: definition.marshalled())
        return Array(try #require(message.def.last))
    }
}
