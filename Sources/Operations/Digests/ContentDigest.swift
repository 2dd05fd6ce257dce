internal import BuildGraph
internal import LinuxSystem
internal import OCI
internal import Text

/// Digests exactly the files that selections use of a tree.
///
/// Hashed are names, types, modes, owners, sizes, link targets, device numbers, extended attributes that are kept, and data. Left out
/// are times and link counts, which `COPY` of an unchanged project changes, and the directories above what is selected.
///
/// The tree may change meanwhile: what vanishes is left out, and what is replaced counts as what was read of it.
struct ContentDigester: Sendable {
    let tree: SourceTree
    let memo: any FileDigestCache

    func contentKey(of selections: [Selection]) async throws -> ContentKey {
        var items: [[ContentItem]] = []
        for selection in selections { items.append(try await self.items(of: selection)) }
        return ContentKey(of: items, in: tree)
    }

    /// The files of a selection with their digests.
    func items(of selection: Selection) async throws -> [ContentItem] {
        let items = try await onBlockingPool {
            var collector = ItemCollector(takesContents: selection.takesDirectoryContents)
            let filter = try PathFilter(includes: selection.includePatterns, excludes: selection.excludePatterns)
            // Where the selection's own path leads; required paths begin with that path as it is written.
            var place = rootedPath(selection.path)
            for match in try selection.matches(in: tree) {
                place = match.path
                collector.name = match.name
                _ = try selection.passingOverVanished(match.path, in: tree) {
                    try TreeWalk(tree: tree, filter: filter).walk(match, &collector)
                }
            }
            for required in selection.requiredPaths {
                let wanted = rootedPath(required)
                let written = rootedPath(selection.path)
                let relative = written.isEmpty ? wanted : Array(wanted.dropFirst(written.count + 1))
                let path = relative.isEmpty ? place : place.appending(component: relative)
                guard
                    collector.items.contains(where: {
                        $0.path == path || $0.path.starts(with: path + [[UInt8].slash])
                    })
                else { throw OperationError.notFound(path: [[UInt8].slash] + wanted, in: tree.name, hint: nil) }
            }
            return collector.items
        }
        let digested = try await memo.digests(
            of: items.map { FileToDigest(path: $0.path, status: $0.status) },
            in: tree
        )
        return zip(items, digested).compactMap { item, digested in
            guard let digested else { return nil }
            var item = item
            item.status = digested.status
            item.digests = digested.digests
            return item
        }
    }
}

/// Gathers what a walk shows.
private struct ItemCollector: TreeVisitor {
    let takesContents: Bool
    var name: [UInt8] = []
    var items: [ContentItem] = []

    init(takesContents: Bool) { self.takesContents = takesContents }

    mutating func enter(_ directory: TreeEntry) -> Bool {
        // Of a directory whose contents are copied, name and attributes do not matter.
        if takesContents, directory.relative.isEmpty { return true }
        items.append(ContentItem(directory, match: name, takesContents: takesContents))
        return true
    }

    mutating func leave(_ directory: TreeEntry) {}

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func visit(_ file: TreeEntry) throws {
        var item = ContentItem(file, match: name, takesContents: takesContents)
        if file.status.type == .symbolicLink {
            guard let target = try file.linkTarget() else { return }
            item.target = target
        }
        items.append(item)
    }
}
