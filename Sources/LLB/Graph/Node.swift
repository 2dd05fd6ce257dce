package import OCI

/// One vertex of a build: an operation, what it works on, and how people see it.
///
/// A build is a graph of immutable nodes. You make nodes through the builder (`Output.image`, `Output.local`, `Output.run`,
/// `Output.file`, `Output.merge`, `Output.diff`), which hands out `Output`s, and a finished graph is
/// `Definition(target: output)`:
///
///     let base = try Output.image("docker.io/library/alpine:3", platform: platform)
///     let context = try Output.local(LocalSource(name: name))
///     let copy = FileCopy.instruction(source: assets, destination: srv)
///     let copied = try Output.file(on: base, [.copy(copy, from: .output(context))], metadata: Metadata(name: title))
///     let built = try copied.run(Process(arguments: arguments, environment: environment, directory: srv))
///     let bytes = try Definition(target: built).marshalled()
///
/// A nil base stands for `scratch`. Names, paths, arguments and environments are bytes (`[UInt8]`), never text.
/// The digest of a node is that of its operation's bytes; metadata (title, `ignoreCache`) is not part of it.
package final class Node: Sendable, Hashable {
    /// What the node refers to, apart from it so that `deinit` can take a long chain of nodes apart without recursion.
    private struct Links: Sendable {
        let operation: Operation
        let inputs: [Output]
    }

    // Written in `init` and `deinit` only, where nothing else has the object.
    nonisolated(unsafe) private var links: Links?

    /// What the operation is for; nil means the builder's own platform.
    package let platform: Platform?
    /// How the step is shown and treated; not part of the digest.
    package let metadata: Metadata
    /// The bytes of the `pb.Op`, exactly as they were hashed.
    package let bytes: [UInt8]
    /// The SHA-256 of `bytes`.
    package let digest: Digest

    /// Makes a node and computes its bytes and digest.
    /// - Throws: `LLBError` if a value has no wire form, for example an action that refers to a later one.
    package convenience init(
        _ operation: Operation,
        platform: Platform? = nil,
        metadata: Metadata = Metadata()
    ) throws(LLBError) {
        let inputs = operation.references
        let bytes = try encode(operation, inputs: inputs, platform: platform)
        self.init(
            operation,
            inputs: inputs,
            platform: platform,
            metadata: metadata,
            bytes: bytes,
            digest: Digest.sha256(of: bytes)
        )
    }

    /// A node whose bytes came from elsewhere and must stay as they are.
    init(
        _ operation: Operation,
        inputs: [Output],
        platform: Platform?,
        metadata: Metadata,
        bytes: [UInt8],
        digest: Digest
    ) {
        links = Links(operation: operation, inputs: inputs)
        self.platform = platform
        self.metadata = metadata
        self.bytes = bytes
        self.digest = digest
    }

    deinit {
        var nodes = links?.inputs.map(\.node) ?? []
        links = nil
        while var node = nodes.popLast() {
            guard isKnownUniquelyReferenced(&node) else { continue }
            nodes += node.links?.inputs.map(\.node) ?? []
            node.links = nil
        }
    }

    /// What to do.
    package var operation: Operation { links.map(\.operation) ?? .merge([]) }

    /// What the operation works on, in the order of the wire form.
    ///
    /// An operation's own values refer to the same outputs.
    package var inputs: [Output] { links?.inputs ?? [] }

    /// The same node with other metadata.
    package func replacing(metadata: Metadata) -> Node {
        Node(operation, inputs: inputs, platform: platform, metadata: metadata, bytes: bytes, digest: digest)
    }

    package static func == (left: Node, right: Node) -> Bool { left.digest == right.digest }

    package func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}

/// One result of a node.
package struct Output: Hashable, Sendable {
    package let node: Node
    package let index: Int

    package init(_ node: Node, index: Int = 0) {
        self.node = node
        self.index = index
    }
}

/// What a node does.
package enum Operation: Hashable, Sendable {
    /// Brings something in from outside: an image, a local directory.
    case source(Source)
    /// Runs a process on file trees.
    case exec(Exec)
    /// Changes files without running anything.
    case file([FileAction])
    /// Lays trees over each other, lowest first.
    case merge([Output])
    /// What `upper` adds to `lower`; nil is the empty tree.
    case diff(lower: Output?, upper: Output?)
    /// What the graph makes that is in a file of a tree.
    case build(definition: Output, file: [UInt8])
    /// Gives some of its inputs on, by their numbers, when all of them are made.
    case passthrough(id: [UInt8], inputs: [Output], outputs: [Int])

    /// Every output the operation refers to, once each, in order of appearance.
    var references: [Output] {
        var seen: Set<Output> = []
        return mentioned.filter { seen.insert($0).inserted }
    }

    private var mentioned: [Output] {
        switch self {
        case .source: []
        case .exec(let exec): exec.mounts.compactMap(\.input)
        case .file(let actions): actions.flatMap(\.mentioned)
        case .merge(let inputs): inputs
        case .diff(let lower, let upper): [lower, upper].compactMap(\.self)
        case .build(let definition, _): [definition]
        case .passthrough(_, let inputs, _): inputs
        }
    }

    /// How many results a node of this operation has.
    package var outputCount: Int {
        switch self {
        case .source, .merge, .diff, .build: 1
        case .exec(let exec): (exec.mounts.compactMap(\.output).max() ?? -1) + 1
        case .file(let actions): (actions.compactMap(\.output).max() ?? -1) + 1
        case .passthrough(_, _, let outputs): outputs.count
        }
    }
}
