import LLB
import OCI
import Testing

@Suite struct `Replacing a node` {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func context(_ paths: [String]) throws -> Output {
        var source = LocalSource(name: bytes("context"))
        source.followPaths = paths.map(bytes)
        return try Output.local(source)
    }

    /// A tree that uses the context in every place where an operation can.
    private func build(on context: Output) throws -> Output {
        let base = try Output.image("docker.io/library/base:1")
        var copy = FileCopy(source: bytes("/a"), destination: bytes("/b"))
        copy.owner = Owner(user: .named(bytes("bob"), in: .output(context)))
        var directory = DirectoryCreation(path: bytes("/d"))
        directory.owner = Owner(user: nil, group: .named(bytes("staff"), in: .output(context)))
        let copied = try Output.file(on: base, [.copy(copy, from: .output(context)), .makeDirectory(directory)])
        let exec = Exec(
            process: Process(arguments: [bytes("true")], environment: [], directory: bytes("/")),
            mounts: [.root(copied), Mount(.bind, of: context, at: bytes("/context"))]
        )
        let ran = Output(try Node(.exec(exec)))
        let merged = try Output.merge([ran, context, base])
        return try Output.diff(lower: base, upper: merged)
    }

    @Test func `gives what would have been made with the other one`() throws {
        let (old, new) = (try context([]), try context(["a", "b"]))
        var replacement = NodeReplacement(of: old.node, by: new.node)
        let (built, wanted) = (try build(on: old), try build(on: new))
        #expect(built != wanted)
        #expect(try replacement.output(built) == wanted)
        #expect(replacement.digest(of: built.node.digest) == wanted.node.digest)
        #expect(replacement.digest(of: old.node.digest) == new.node.digest)
        #expect(
            try Definition(target: replacement.output(built)).marshalled() == Definition(target: wanted).marshalled()
        )
    }

    @Test func `leaves what does not depend on it`() throws {
        let (old, new) = (try context([]), try context(["a"]))
        var replacement = NodeReplacement(of: old.node, by: new.node)
        let base = try Output.image("docker.io/library/base:1")
        #expect(try replacement.output(base).node === base.node)
        #expect(replacement.digest(of: base.node.digest) == base.node.digest)
    }

    @Test func `keeps how steps are shown`() throws {
        let (old, new) = (try context([]), try context(["a"]))
        var replacement = NodeReplacement(of: old.node, by: new.node)
        var metadata = Metadata(name: bytes("[1/1] COPY a b"))
        metadata.ignoresCache = true
        let copy = FileCopy(source: bytes("/a"), destination: bytes("/b"))
        let built = try Output.file(on: nil, [.copy(copy, from: .output(old))], metadata: metadata)
        #expect(try replacement.output(built).node.metadata == metadata)
    }
}
