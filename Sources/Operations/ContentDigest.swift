internal import BuildGraph
internal import Glibc
internal import LinuxSystem
internal import OCI

/// Digests exactly the files that selections use of a tree.
///
/// Hashed are names, types, modes, owners, sizes, link targets, device numbers, extended attributes that are kept, and data. Left out
/// are times and link counts, which `COPY` of an unchanged project changes, and the directories above what is selected.
struct ContentDigester: Sendable {
    let tree: SourceTree
    let memo: any FileDigestCache

    /// One file that takes part.
    fileprivate struct Item: Sendable {
        /// From the root of the tree, for people.
        let path: [UInt8]
        /// As it counts in the key: the name at the destination.
        let key: [UInt8]
        let status: FileStatus
        var target: [UInt8]?
        var digests: FileDigests?
    }

    func contentKey(of selections: [Selection]) async throws -> ContentKey {
        var digester = Digester()
        var entries: [ContentEntry] = []
        for selection in selections {
            let items = try await items(of: selection)
            digester.updateField("selection")
            for item in items { update(&digester, item) }
            entries += items.map(entry)
        }
        entries.sort { $0.path.lexicographicallyPrecedes($1.path) }
        return ContentKey(digest: digester.finalize(), entries: entries)
    }

    private func items(of selection: Selection) async throws -> [Item] {
        var items = try await onBlockingPool {
            var collector = ItemCollector(takesContents: selection.takesDirectoryContents)
            let filter = try PathFilter(includes: selection.includePatterns, excludes: selection.excludePatterns)
            for match in try selection.matches(in: tree) {
                collector.name = match.name
                try TreeWalk(tree: tree, filter: filter).walk(match, &collector)
            }
            for required in selection.requiredPaths {
                let wanted = rootedPath(required)
                guard
                    collector.items.contains(where: {
                        $0.path == wanted || $0.path.starts(with: wanted + [[UInt8].slash])
                    })
                else { throw OperationError.notFound(path: [[UInt8].slash] + wanted, in: tree.name, hint: nil) }
            }
            return collector.items
        }
        let digests = try await memo.digests(
            of: items.map { FileToDigest(path: $0.path, status: $0.status) },
            in: tree
        )
        for (index, digest) in digests.enumerated() { items[index].digests = digest }
        tree.observations?.note(items.lazy.filter { $0.status.type == .regular }.map { ($0.path, $0.status) })
        return items
    }

    private func update(_ digester: inout Digester, _ item: Item) {
        let (user, group) = tree.owner(of: item.status)
        digester.updateField(item.key)
        var header: [UInt8] = [item.status.type.rawValue]
        for number in [UInt32(item.status.mode), user, group] { header += number.littleEndianBytes }
        switch item.status.type {
        case .regular: header += UInt64(bitPattern: item.status.size).littleEndianBytes
        case .characterDevice, .blockDevice:
            header += item.status.deviceMajor.littleEndianBytes + item.status.deviceMinor.littleEndianBytes
        case .directory, .symbolicLink, .fifo, .socket: break
        }
        digester.updateField(header)
        digester.updateField(item.target ?? [])
        digester.updateField(item.digests?.content ?? [])
        digester.updateField(item.digests?.attributes ?? [])
    }

    private func entry(_ item: Item) -> ContentEntry {
        let (user, group) = tree.owner(of: item.status)
        let kind: ContentEntry.Kind
        let content: Digest?
        switch item.status.type {
        case .regular: (kind, content) = (.file, item.digests?.content.flatMap(Digest.init(sha256:)))
        case .directory: (kind, content) = (.directory, nil)
        case .symbolicLink: (kind, content) = (.symbolicLink, Digest.sha256(of: item.target ?? []))
        case .characterDevice, .blockDevice, .fifo, .socket:
            let numbers = "\(item.status.type) \(item.status.deviceMajor):\(item.status.deviceMinor)"
            (kind, content) = (.other, Digest.sha256(of: Array(numbers.utf8)))
        }
        return ContentEntry(
            path: item.path,
            kind: kind,
            mode: UInt32(item.status.mode),
            owner: user,
            group: group,
            content: content,
            extendedAttributes: item.digests?.attributes.flatMap(Digest.init(sha256:))
        )
    }
}

/// Gathers what a walk shows.
private struct ItemCollector: TreeVisitor {
    let takesContents: Bool
    var name: [UInt8] = []
    var items: [ContentDigester.Item] = []

    init(takesContents: Bool) { self.takesContents = takesContents }

    mutating func enter(_ directory: TreeEntry) -> Bool {
        // Of a directory whose contents are copied, name and attributes do not matter.
        if takesContents, directory.relative.isEmpty { return true }
        items.append(item(directory))
        return true
    }

    mutating func leave(_ directory: TreeEntry) {}

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func visit(_ file: TreeEntry) throws {
        var item = item(file)
        if file.status.type == .symbolicLink { item.target = try file.parent.readLink(named: file.name) }
        items.append(item)
    }

    private func item(_ entry: TreeEntry) -> ContentDigester.Item {
        let key: [UInt8]
        if entry.relative.isEmpty {
            key = name
        } else if takesContents {
            key = entry.relative
        } else {
            key = name.appending(component: entry.relative)
        }
        return ContentDigester.Item(path: entry.path, key: key, status: entry.status)
    }
}

extension FixedWidthInteger {
    var littleEndianBytes: [UInt8] { withUnsafeBytes(of: littleEndian) { Array($0) } }
}
