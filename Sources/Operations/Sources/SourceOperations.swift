import BuildGraph
import LLB
import LinuxSystem
import OCI
import Snapshots
internal import Text

/// Brings an image's files in: the step of FROM.
///
/// Its layers stay where they are until something reads them.
struct ImageOperation: VertexOperation {
    let reference: ImageReference
    /// The client's layout directory that has it.
    let layout: LayoutStore?
    let platform: OCI.Platform
    /// So many of its layers are taken, the lowest ones; nil for all.
    var layerLimit: Int?
    /// The digest that it must have.
    var checksum: Digest?
    let environment: OperationEnvironment

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        var components = Self.key(of: try await pinned(), platform: platform)
        if let layerLimit { components.append(KeyComponent("layers", "\(layerLimit)")) }
        return CacheMap(components: components)
    }

    /// The image by its digest.
    private func pinned() async throws -> ImageReference {
        if layout != nil { return reference }
        let pinned = try await environment.images.pinned(reference, platform: platform)
        if let checksum, let digest = pinned.digest, digest != checksum {
            throw OperationError.imageMismatch(reference, digest, expected: checksum)
        }
        return pinned
    }

    static func key(of reference: ImageReference, platform: OCI.Platform) -> [KeyComponent] {
        // The digest alone where there is one: the same image under another name is the same image.
        let image = reference.digest.map { KeyComponent("image", $0) } ?? KeyComponent("image", reference.description)
        return [KeyComponent("kind", "image"), image, KeyComponent("platform", platform.description)]
    }

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        let tree = try await environment.images.tree(of: try await pinned(), layout: layout, platform: platform)
        guard let layerLimit else { return [.tree(tree)] }
        return [.tree(FileTree(layers: Array(tree.layers.prefix(layerLimit))))]
    }
}

/// Lends a directory of the client: the build context.
///
/// Nothing is copied; what uses it is keyed by the files it uses.
struct LocalOperation: VertexOperation {
    let source: LocalSource
    let environment: OperationEnvironment

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        CacheMap(
            components: [KeyComponent("kind", "local"), KeyComponent("name", source.name)],
            identity: .contentOnly
        )
    }

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        let place = try await environment.localFiles.directory(for: source, context)
        let filter = try PathFilter(includes: source.includePatterns, excludes: source.excludePatterns)
        let tree = try await onBlockingPool { [source] in
            SourceTree(
                root: try RootedDirectory(place.path),
                name: source.name,
                filter: filter,
                ownership: .root
            )
        }
        return [.directory(LocalDirectory(tree: tree, source: source, known: place.known))]
    }
}

/// Lays trees over each other.
///
/// Layers do not depend on what is below them, so the result is all of them in order.
struct MergeOperation: VertexOperation {
    /// Which inputs, lowest first; a graph may name one twice.
    let positions: [Int]
    let inputCount: Int

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        var components = [KeyComponent("kind", "merge")]
        if positions != Array(0..<inputCount) {
            components.append(KeyComponent("order", positions.map { "\($0)" }.joined(separator: ",")))
        }
        return CacheMap(
            components: components,
            inputs: [InputKey<BuildOutput>](repeating: .definition, count: inputCount)
        )
    }

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        [.tree(FileTree(layers: try positions.flatMap { try inputs[$0].requiredTree.layers }))]
    }
}

/// What makes one tree of another: the layers above that one's, or where neither was made from the other a layer that
/// is made for it.
struct DiffOperation: VertexOperation {
    /// Which inputs; nil for the empty tree.
    let lower: Int?
    let upper: Int?
    let inputCount: Int
    let environment: OperationEnvironment

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        var components = [KeyComponent("kind", "diff"), KeyComponent("lower", lower == nil ? "scratch" : "input")]
        if upper == nil { components.append(KeyComponent("upper", "scratch")) }
        if upper == lower, upper != nil { components.append(KeyComponent("upper", "lower")) }
        return CacheMap(
            components: components,
            inputs: [InputKey<BuildOutput>](repeating: .definition, count: inputCount)
        )
    }

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        let trees = try (lower.map { try inputs[$0].requiredTree }, upper.map { try inputs[$0].requiredTree })
        return [.tree(try await environment.snapshots.difference(from: trees.0 ?? .empty, to: trees.1 ?? .empty))]
    }
}

/// Gives some of its inputs on when all of them are made.
struct PassthroughOperation: VertexOperation {
    /// What tells it from others of the same inputs.
    let id: [UInt8]
    /// The numbers of the inputs that are given on.
    let outputs: [Int]
    let inputCount: Int

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        CacheMap(
            components: [
                KeyComponent("kind", "passthrough"), KeyComponent("id", id),
                KeyComponent("outputs", outputs.map { "\($0)" }.joined(separator: ",")),
            ],
            inputs: [InputKey<BuildOutput>](repeating: .definition, count: inputCount)
        )
    }

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        outputs.map { inputs[$0] }
    }
}

extension BuildOutput {
    /// The files of the store.
    /// - Throws: `OperationError.unsupported` for a directory of the client.
    var requiredTree: FileTree {
        get throws {
            guard let tree else {
                throw OperationError.unsupported("the build context cannot be part of a merge or difference")
            }
            return tree
        }
    }
}
