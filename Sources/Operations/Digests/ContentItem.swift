internal import BuildGraph
internal import LinuxSystem
internal import OCI
internal import Text

/// One file as it takes part in a content key.
struct ContentItem: Sendable {
    /// From the root of the tree, for people.
    let path: [UInt8]
    /// As it counts in the key: the name at the destination.
    let key: [UInt8]
    var status: FileStatus
    var target: [UInt8]?
    var digests: FileDigests?

    /// - Parameters:
    ///   - entry: The file.
    ///   - match: The name of what the walk began with.
    ///   - takesContents: Whether of a directory only its entries are used.
    init(_ entry: TreeEntry, match: [UInt8], takesContents: Bool) {
        path = entry.path
        status = entry.status
        if entry.relative.isEmpty {
            key = match
        } else if takesContents {
            key = entry.relative
        } else {
            key = match.appending(component: entry.relative)
        }
    }
}

extension ContentKey {
    /// The key of what selections use of a tree, with the files of each.
    init(of selections: [[ContentItem]], in tree: SourceTree) {
        var digester = Digester()
        var entries: [ContentEntry] = []
        for items in selections {
            digester.updateField("selection")
            for item in items { item.update(&digester, tree.owner(of: item.status)) }
            entries += items.map { $0.entry(tree.owner(of: $0.status)) }
        }
        entries.sort { $0.path.lexicographicallyPrecedes($1.path) }
        self.init(digest: digester.finalize(), entries: entries)
    }
}

extension ContentItem {
    fileprivate func update(_ digester: inout Digester, _ owner: (user: UInt32, group: UInt32)) {
        digester.updateField(key)
        var header: [UInt8] = [status.type.rawValue]
        for number in [UInt32(status.mode), owner.user, owner.group] { header += number.littleEndianBytes }
        switch status.type {
        case .regular: header += UInt64(bitPattern: status.size).littleEndianBytes
        case .characterDevice, .blockDevice:
            header += status.deviceMajor.littleEndianBytes + status.deviceMinor.littleEndianBytes
        case .directory, .symbolicLink, .fifo, .socket: break
        }
        digester.updateField(header)
        digester.updateField(target ?? [])
        digester.updateField(digests?.content ?? [])
        digester.updateField(digests?.attributes ?? [])
    }

    fileprivate func entry(_ owner: (user: UInt32, group: UInt32)) -> ContentEntry {
        let kind: ContentEntry.Kind
        let content: Digest?
        switch status.type {
        case .regular: (kind, content) = (.file, digests?.content.flatMap(Digest.init(sha256:)))
        case .directory: (kind, content) = (.directory, nil)
        case .symbolicLink: (kind, content) = (.symbolicLink, Digest.sha256(of: target ?? []))
        case .characterDevice, .blockDevice, .fifo, .socket:
            let numbers = "\(status.type) \(status.deviceMajor):\(status.deviceMinor)"
            (kind, content) = (.other, Digest.sha256(of: Array(numbers.utf8)))
        }
        return ContentEntry(
            path: path,
            kind: kind,
            mode: UInt32(status.mode),
            owner: owner.user,
            group: owner.group,
            content: content,
            extendedAttributes: digests?.attributes.flatMap(Digest.init(sha256:))
        )
    }
}

extension FixedWidthInteger {
    var littleEndianBytes: [UInt8] { withUnsafeBytes(of: littleEndian) { Array($0) } }
}
