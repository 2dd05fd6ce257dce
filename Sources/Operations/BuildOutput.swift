internal import BuildGraph
internal import LLB
import LinuxSystem
package import Snapshots

/// What a vertex of a build gives.
package enum BuildOutput: Sendable {
    /// Files of the store.
    case tree(FileTree)
    /// A directory that is read where it is: the build context.
    case directory(LocalDirectory)

    /// The files of the store; nil for a directory, which is none of the store's.
    package var tree: FileTree? {
        switch self {
        case .tree(let tree): tree
        case .directory: nil
        }
    }
}

/// A directory of the host as a source of files: which of them the build may see, and what was seen of them.
package struct LocalDirectory: Sendable {
    let tree: SourceTree
    /// What the build asked for: the tree's filter is made of its patterns.
    let source: LocalSource
    let known: KnownFiles?

    /// The files that selections use, with their digests and their key.
    func content(of selections: [Selection], _ digests: some FileDigestCache) async throws -> KnownFiles.Content {
        let use = KnownFiles.Use(
            includes: source.includePatterns,
            excludes: source.excludePatterns,
            selections: selections
        )
        let known = known ?? KnownFiles()
        return try await known.content(for: use) {
            let digester = ContentDigester(tree: tree, memo: ReceivedFileDigests(known: known, others: digests))
            var items: [[ContentItem]] = []
            for selection in selections { items.append(try await digester.items(of: selection)) }
            return KnownFiles.Content(items: items, key: ContentKey(of: items, in: tree))
        }
    }
}
