internal import LinuxSystem
internal import SystemPackage
internal import Text

/// Hard links are made when all content is there: until then a file may be replaced, and its links with it.
extension TreeWriter {
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func makeLinks() throws {
        for link in links { try naming(link.path) { try make(link) } }
        links = []
    }

    private mutating func make(_ link: Link) throws {
        let parent = try root.open(FilePath(bytes: link.target.parentPath), [.pathOnly, .directory])
        let target = link.target.lastComponent
        guard let file = try parent.entryStatus(named: target), file.type == .regular else {
            throw FileSyncError.unknownLinkTarget(link.path, target: link.target)
        }
        let directory = try handles.handle(of: link.directory)
        let name = link.path.lastComponent
        let existing = try directory.entryStatus(named: name)
        if let existing, existing.inode == file.inode, existing.device == file.device { return }
        try workshop.link(target, of: parent).move(to: name, of: directory)
        changes += 1
    }
}
