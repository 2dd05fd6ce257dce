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
        let path = try await environment.localFiles.directory(for: source, context)
        let filter = try PathFilter(includes: source.includePatterns, excludes: source.excludePatterns)
        let tree = try await onBlockingPool { [source] in
            SourceTree(
                root: try RootedDirectory(path),
                name: source.name,
                filter: filter,
                ownership: .root
            )
        }
        return [.directory(LocalDirectory(tree: tree))]
    }
}

/// Lays trees over each other.
///
/// Layers do not depend on what is below them, so the result is all of them in order.
struct MergeOperation: VertexOperation {
    /// How many trees.
    let count: Int

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        CacheMap(
            components: [KeyComponent("kind", "merge")],
            inputs: [InputKey<BuildOutput>](repeating: .definition, count: count)
        )
    }

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        [.tree(FileTree(layers: try inputs.flatMap { try $0.requiredTree.layers }))]
    }
}

/// What a tree adds to the one it was made from: its layers above that one's.
struct DiffOperation: VertexOperation {
    let hasLower: Bool

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        CacheMap(
            components: [KeyComponent("kind", "diff"), KeyComponent("lower", hasLower ? "input" : "scratch")],
            inputs: [InputKey<BuildOutput>](repeating: .definition, count: hasLower ? 2 : 1)
        )
    }

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        let lower = hasLower ? try inputs.first?.requiredTree.layers ?? [] : []
        let upper = try inputs.last?.requiredTree.layers ?? []
        guard upper.starts(with: lower) else {
            throw OperationError.unsupported("the difference of two trees where neither is made from the other")
        }
        return [.tree(FileTree(layers: Array(upper.dropFirst(lower.count))))]
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
