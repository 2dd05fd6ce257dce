package import OCI
import Text

extension Output {
    /// An image's root file system.
    ///
    /// `reference` is the full name, best with a digest: `docker.io/library/alpine:3@sha256:…`.
    package static func image(
        _ reference: String,
        platform: Platform? = nil,
        attributes: [String: [UInt8]] = [:],
        metadata: Metadata = Metadata()
    ) throws(LLBError) -> Output {
        let source = Source(identifier: "\(Source.imageScheme)://\(reference)", attributes: attributes)
        return Output(try Node(.source(source), platform: platform, metadata: metadata))
    }

    /// The root file system of an image of a layout directory that the client offers.
    ///
    /// - Parameters:
    ///   - reference: the full name with its digest.
    ///   - store: the client's name for the directory.
    ///   - platform: which image of several.
    ///   - metadata: of the node.
    /// - Returns: the image's root file system.
    /// - Throws: `LLBError`.
    package static func layout(
        _ reference: String,
        store: [UInt8],
        platform: Platform? = nil,
        metadata: Metadata = Metadata()
    ) throws(LLBError) -> Output {
        let source = Source(
            identifier: "\(Source.layoutScheme)://\(reference)",
            attributes: [Source.layoutStore: store]
        )
        return Output(try Node(.source(source), platform: platform, metadata: metadata))
    }

    /// A directory that the client offers.
    package static func local(_ source: LocalSource, metadata: Metadata = Metadata()) throws(LLBError) -> Output {
        Output(try Node(.source(source.source), metadata: metadata))
    }

    /// Applies changes in order, each to the result of the one before; a nil `base` is the empty tree.
    ///
    /// In the changes, `.action(n)` is the result of the n-th change, and names of owners are looked up wherever they say.
    package static func file(
        on base: Output?,
        _ changes: [FileChange],
        platform: Platform? = nil,
        metadata: Metadata = Metadata()
    ) throws(LLBError) -> Output {
        var actions: [FileAction] = []
        for (position, change) in changes.enumerated() {
            let input: FileInput = position == 0 ? base.map { .output($0) } ?? .scratch : .action(position - 1)
            actions.append(FileAction(on: input, change, output: position == changes.count - 1 ? 0 : nil))
        }
        return Output(try Node(.file(actions), platform: platform, metadata: metadata))
    }

    /// Runs a process whose mounts, the one at `/` included, are given; the result is the node's first.
    package static func run(
        _ exec: Exec,
        platform: Platform? = nil,
        metadata: Metadata = Metadata()
    ) throws(LLBError) -> Output {
        Output(try Node(.exec(exec), platform: platform, metadata: metadata))
    }

    /// Lays trees over each other, lowest first.
    package static func merge(_ inputs: [Output], metadata: Metadata = Metadata()) throws(LLBError) -> Output {
        Output(try Node(.merge(inputs), metadata: metadata))
    }

    /// What `upper` adds to `lower`; nil is the empty tree.
    package static func diff(
        lower: Output?,
        upper: Output?,
        metadata: Metadata = Metadata()
    ) throws(LLBError) -> Output {
        Output(try Node(.diff(lower: lower, upper: upper), metadata: metadata))
    }
}
