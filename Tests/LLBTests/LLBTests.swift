import BuildKitProto
import Foundation
import OCI
import SwiftProtobuf
import Testing

@testable import LLB

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// A graph with every kind of node and most of their fields.
func exampleDefinition() throws -> Definition {
    let platform = Platform(os: "linux", architecture: "amd64")
    let base = try Output.image("docker.io/library/alpine:3", platform: platform)
    var local = LocalSource(name: bytes("context"))
    local.excludePatterns = [bytes("*.o"), [0xff, 0x22]]
    let context = try Output.local(local, metadata: Metadata(name: bytes("[internal] load build context")))
    var copy = FileCopy.instruction(source: bytes("/a*"), destination: bytes("/srv/"))
    copy.owner = Owner(user: .named(bytes("www"), in: .output(base)), group: .id(7))
    copy.mode = .bits(0o750)
    let copied = try Output.file(
        on: base,
        [
            .makeDirectory(DirectoryCreation(path: bytes("/srv"))),
            .copy(copy, from: .output(context)),
            .makeFile(FileCreation(path: bytes("/f"), content: [0, 1, 2])),
            .symbolicLink(SymbolicLinkCreation(path: bytes("/l"), target: bytes("f"))),
            .remove(FileRemoval(path: bytes("/x"), allowsNotFound: true)),
        ],
        metadata: Metadata(name: bytes("[2/3] COPY a* /srv/"), ignoresCache: true)
    )
    var process = Process(
        arguments: [bytes("/bin/sh"), bytes("-c"), [0x65, 0xff]],
        environment: [bytes("PATH=/bin")],
        directory: bytes("/srv"),
        user: bytes("www")
    )
    process.proxy = ProxyEnvironment()
    process.extraHosts = [HostAddress(host: bytes("h"), address: bytes("10.0.0.1"))]
    process.limits = [ResourceLimit(name: bytes("nofile"), soft: 10, hard: 20)]
    let exec = Exec(
        process: process,
        mounts: [
            .root(copied),
            Mount(.bind, of: context, selector: bytes("/src"), at: bytes("/src"), isReadOnly: true),
            Mount(.temporary(size: 4096), at: bytes("/tmp")),
            Mount(.cache(id: bytes("c"), sharing: .locked), at: bytes("/cache")),
            Mount(.secret(ClientFile(id: bytes("s"))), at: bytes("/run/secrets/s")),
            Mount(.ssh(ClientFile(id: bytes("default"), mode: 0o600)), at: bytes("/run/ssh")),
        ],
        secretEnvironment: [SecretVariable(id: bytes("t"), name: bytes("TOKEN"))]
    )
    let built = try Output.run(exec, platform: platform)
    let difference = try Output.diff(lower: copied, upper: built)
    let merged = try Output.merge([base, difference])
    let file = SourceMap.File(name: bytes("Dockerfile"), content: bytes("FROM alpine\n"))
    let places = [base.node.digest: [SourceMap.Place(file: 0, [SourceMap.Span(lines: 1...1)])]]
    return Definition(target: merged, sources: SourceMap(files: [file], places: places))
}

@Suite struct `LLB definitions` {
    @Test func `what is marshalled loads as the same graph`() throws {
        let definition = try exampleDefinition()
        let loaded = try Definition.load(try definition.marshalled())
        #expect(loaded.target == definition.target)
        #expect(loaded.nodes.map(\.operation) == definition.nodes.map(\.operation))
        #expect(loaded.nodes.map(\.metadata) == definition.nodes.map(\.metadata))
        #expect(loaded.nodes.map(\.platform) == definition.nodes.map(\.platform))
        #expect(loaded.sources == definition.sources)
    }

    @Test func `a passthrough gives on the inputs that it names`() throws {
        let inputs = try ["a", "b"].map { try Output.image($0) }
        let node = try Node(.passthrough(id: bytes("p"), inputs: inputs, outputs: [1, 0]))
        let loaded = try Definition.load(try Definition(target: Output(node, index: 1)).marshalled())
        #expect(loaded.target == Output(node, index: 1))
        #expect(loaded.target?.node.operation == node.operation)
        let wrong = try Node(.passthrough(id: [], inputs: inputs, outputs: [0])).bytes
        var operation = try Pb_Op(serializedBytes: Data(wrong))
        operation.passthrough.outputs = [2]
        let definition = try Pb_Definition(serializedBytes: try Definition(target: Output(node)).marshalled())
        let changed = try definition.def.dropLast(2) + [operation.serializedData()]
        #expect(throws: LLBError.self) {
            _ = try Definition.load(Array(try Pb_Definition.with { $0.def = Array(changed) }.serializedData()))
        }
    }

    @Test func `without operations keep the file that they come from`() throws {
        let file = SourceMap.File(name: bytes("Dockerfile"), content: bytes("FROM scratch\n"))
        let empty = Definition(target: nil, sources: SourceMap(files: [file]))
        let loaded = try Definition.load(try empty.marshalled())
        #expect(loaded == empty)
    }

    @Test func `the same graph has the same bytes each time`() throws {
        var attributes: [String: [UInt8]] = [:]
        for number in 0..<50 { attributes["key\(number)"] = bytes("\(number)") }
        var reordered: [String: [UInt8]] = [:]
        for key in attributes.keys.sorted().reversed() { reordered[key] = attributes[key] }
        let one = try Output.image("a", attributes: attributes)
        let other = try Output.image("a", attributes: reordered)
        #expect(one.node.bytes == other.node.bytes)
        let first = try exampleDefinition().marshalled()
        #expect(first == (try exampleDefinition().marshalled()))
    }

    @Test func `a digest is that of the operation's bytes and leaves metadata out`() throws {
        let plain = try Output.image("a")
        let titled = try Output.image("a", metadata: Metadata(name: bytes("title"), ignoresCache: true))
        #expect(plain.node.digest == Digest.sha256(of: plain.node.bytes))
        #expect(plain == titled)
    }

    @Test func `names that are not text survive`() throws {
        let name: [UInt8] = [0x2f, 0xff, 0xfe]
        let output = try Output.file(on: nil, [.makeFile(FileCreation(path: name, content: []))])
        let loaded = try Definition.load(try Definition(target: output).marshalled())
        guard case .file(let actions) = loaded.target?.node.operation, case .makeFile(let creation) = actions[0].change
        else { return #expect(Bool(false)) }
        #expect(creation.path == name)
    }

    @Test func `the local source keeps its patterns whatever their bytes`() throws {
        var source = LocalSource(name: bytes("context"))
        source.excludePatterns = [bytes("a \"quoted\" \\ one"), [0xc3], bytes("\n")]
        source.followPaths = [bytes("ä")]
        #expect(try LocalSource(source.source) == source)
        let escaped = Source(
            identifier: bytes("local://context"),
            attributes: ["local.excludepatterns": bytes("[ \"\\u00e4\\n\" , \"\\ud83d\\ude00\" ]")]
        )
        #expect(try LocalSource(escaped).excludePatterns == [bytes("ä\n"), bytes("😀")])
    }

    @Test func `the wire form is the one BuildKit documents`() throws {
        // Op{source: SourceOp{identifier: "a"}} is field 3 of length 3, in it field 1 of length 1.
        let node = try Node(.source(Source(identifier: bytes("a"))))
        #expect(node.bytes == [0x1a, 0x03, 0x0a, 0x01, 0x61])
        let definition = Definition(target: Output(node))
        let message = try Pb_Definition(serializedBytes: try definition.marshalled())
        #expect(message.def.count == 2)
        let last = try Pb_Op(serializedBytes: Data(message.def[1]))
        #expect(last.op == nil)
        #expect(last.inputs.map(\.digest) == [node.digest.description])
    }

    @Test func `the empty tree is an empty definition`() throws {
        #expect(try Definition(target: nil).marshalled().isEmpty)
        #expect(try Definition.load([]).target == nil)
    }

    @Test func `a chain of a hundred thousand nodes is made, read and let go`() throws {
        var output = try Output.image("a")
        for _ in 0..<100_000 { output = Output(try Node(.diff(lower: nil, upper: output))) }
        let definition = Definition(target: output)
        #expect(definition.nodes.count == 100_001)
    }

    @Test func `the dump names each node and what it needs`() throws {
        let text = try exampleDefinition().dump
        #expect(text.contains("source docker-image://docker.io/library/alpine:3"))
        #expect(text.contains("    1: on action 0 copy /a* /srv/ from #2 mode 750 owner www of #1:7"))
        #expect(text.contains("    mount /src <- #2 at /src read-only"))
        #expect(text.contains("    arg e\\xff"))
        #expect(text.hasSuffix("target: #6\n"))
    }
}

@Suite struct `LLB definitions from elsewhere` {
    func load(_ operations: [Pb_Op]) throws -> Definition {
        var message = Pb_Definition()
        message.def = try operations.map { try $0.serializedData() }
        return try Definition.load(try message.serializedBytes())
    }

    func digest(_ operation: Pb_Op) throws -> String {
        Digest.sha256(of: [UInt8](try operation.serializedData())).description
    }

    func target(_ operation: Pb_Op, index: Int64 = 0) throws -> Pb_Op {
        var input = Pb_Input()
        input.digest = try digest(operation)
        input.index = index
        var last = Pb_Op()
        last.inputs = [input]
        return last
    }

    var source: Pb_Op {
        var operation = Pb_Op()
        operation.source.identifier = Data("docker-image://a".utf8)
        return operation
    }

    @Test func `bytes that are not a message are refused`() {
        #expect(throws: LLBError.malformed(what: "the definition")) { try Definition.load([0xff, 0xff]) }
        var message = Pb_Definition()
        message.def = [Data([0xff])]
        #expect(throws: LLBError.malformed(what: "operation 0")) {
            try Definition.load(try message.serializedBytes())
        }
    }

    @Test func `an input that is not there is named`() throws {
        var operation = Pb_Op()
        operation.diff.lower.input = -1
        var input = Pb_Input()
        input.digest = "sha256:gone"
        operation.inputs = [input]
        #expect(throws: LLBError.self) { try load([operation, try target(operation)]) }
        do { _ = try load([operation, try target(operation)]) } catch {
            #expect("\(error)".contains("input digest sha256:gone of \(try digest(operation)) not found"))
        }
    }

    @Test func `indices that name nothing are refused`() throws {
        for index: Int64 in [-1, 1, .max, .min] {
            #expect(throws: LLBError.self) { try load([source, try target(source, index: index)]) }
        }
        for index: Int64 in [-2, 1, 2, .max, .min] {
            var input = Pb_Input()
            input.digest = try digest(source)
            var file = Pb_Op()
            file.inputs = [input]
            var action = Pb_FileAction()
            action.input = index
            action.rm.path = Data("/x".utf8)
            file.file.actions = [action]
            #expect(throws: LLBError.self) { try load([source, file, try target(file)]) }
            var exec = Pb_Op()
            exec.inputs = [input]
            exec.exec.meta.args = [Data("a".utf8)]
            var mount = Pb_Mount()
            mount.dest = Data("/".utf8)
            mount.input = index
            exec.exec.mounts = [mount]
            #expect(throws: LLBError.self) { try load([source, exec, try target(exec)]) }
        }
    }

    @Test func `unknown enumeration values and kinds are refused`() throws {
        var exec = Pb_Op()
        exec.exec.meta.args = [Data("a".utf8)]
        var mount = Pb_Mount()
        mount.dest = Data("/".utf8)
        mount.input = -1
        mount.mountType = .UNRECOGNIZED(9)
        exec.exec.mounts = [mount]
        #expect(throws: LLBError.self) { try load([exec, try target(exec)]) }
        var build = Pb_Op()
        build.build.builder = -1
        #expect(throws: LLBError.self) { try load([build, try target(build)]) }
    }

    @Test func `operations in any order load, the last one naming the target`() throws {
        var diff = Pb_Op()
        var input = Pb_Input()
        input.digest = try digest(source)
        diff.inputs = [input]
        diff.diff.upper.input = 0
        diff.diff.lower.input = -1
        let definition = try load([diff, source, try target(diff)])
        #expect(definition.nodes.count == 2)
        #expect(throws: LLBError.self) { try load([diff, try target(diff), source]) }
    }

    @Test func `limits hold`() throws {
        let bytes = try exampleDefinition().marshalled()
        var limits = DefinitionLimits()
        limits.operationCount = 2
        #expect(throws: LLBError.self) { try Definition.load(bytes, limits: limits) }
        limits = DefinitionLimits()
        limits.size = 10
        #expect(throws: LLBError.self) { try Definition.load(bytes, limits: limits) }
    }

    @Test func `damaged definitions never trap`() throws {
        let bytes = try exampleDefinition().marshalled()
        for position in bytes.indices {
            for flip: UInt8 in [0x01, 0x80, 0xff] {
                var damaged = bytes
                damaged[position] ^= flip
                _ = try? Definition.load(damaged)
            }
            _ = try? Definition.load(Array(bytes[..<position]))
        }
    }
}
