internal import LinuxSystem
internal import SystemPackage
internal import Text

/// One file or directory on a walk.
struct TreeEntry: Sendable {
    /// The directory it is in, open.
    let parent: OpenFile
    /// The directory itself, open, if it is one.
    let file: OpenFile?
    let name: [UInt8]
    /// From the root of the tree, without links.
    let path: [UInt8]
    /// From what the walk began with; empty for that itself.
    let relative: [UInt8]
    let status: FileStatus
}

extension TreeEntry {
    /// The target of a symbolic link; nil for one that has vanished or is none any more.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func linkTarget() throws(SystemCallError) -> [UInt8]? {
        try ifPresent { () throws(SystemCallError) in try parent.readLink(named: name) }
    }
}

/// What a call on a name gives; nil where nothing has the name, or something of another kind than it was.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
func ifPresent<Value>(_ call: () throws(SystemCallError) -> Value) throws(SystemCallError) -> Value? {
    do throws(SystemCallError) { return try call() } catch {
        switch error.errno {
        case .noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels, .noSuchAddressOrDevice,
            .invalidArgument:
            return nil
        default: throw error
        }
    }
}

/// What is done with the files of a walk.
protocol TreeVisitor {
    /// A directory that is included, or the first time something below one is.
    /// - Returns: whether the walk goes into it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func enter(_ directory: TreeEntry) throws -> Bool
    /// Everything in the directory was visited. Called for every directory that was entered.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func leave(_ directory: TreeEntry) throws
    /// Anything that is no directory.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func visit(_ file: TreeEntry) throws
}

/// Goes through a part of a tree in the order of names, each directory before what is in it.
///
/// Files that the tree's own filter or the walk's leaves out are passed over; a directory that is left out itself is entered when
/// something below it is not. No link is followed, nothing but directories is opened, and depth costs no stack. What vanishes while
/// the walk goes on is passed over.
struct TreeWalk {
    let tree: SourceTree
    /// Relative to what the walk begins with.
    let filter: PathFilter

    private struct Frame {
        let entry: TreeEntry
        let names: [[UInt8]]
        var next = 0
        let treeState: PathFilter.State
        let walkState: PathFilter.State
        var isEntered: Bool
    }

    /// - Throws: `OperationError.notFound` where what the walk begins with has vanished.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func walk(_ match: Selection.Match, _ visitor: inout some TreeVisitor) throws {
        let vanished = OperationError.notFound(path: [[UInt8].slash] + match.path, in: tree.name, hint: nil)
        guard let parent = try open(match.path.parentPath, .pathOnly) else { throw vanished }
        guard match.status.type == .directory else {
            try visitor.visit(entry(match, parent: parent, file: nil))
            return
        }
        guard let file = try open(match.path, .readOnly) else { throw vanished }
        let top = entry(match, parent: parent, file: file)
        guard try visitor.enter(top) else { return }
        var frames = [
            Frame(
                entry: top,
                names: try directoryEntries(of: file),
                treeState: tree.filter.judge(match.path).state,
                walkState: .root,
                isEntered: true
            )
        ]
        while let frame = frames.last {
            guard frame.next < frame.names.count else {
                if frame.isEntered { try visitor.leave(frame.entry) }
                frames.removeLast()
                continue
            }
            frames[frames.count - 1].next += 1
            try step(frame, frame.names[frame.next], &frames, &visitor)
        }
    }

    private func open(_ directory: [UInt8], _ options: OpenOptions) throws(SystemCallError) -> OpenFile? {
        try ifPresent { () throws(SystemCallError) in try tree.root.open(directory.filePath, options.union(.directory))
        }
    }

    private func entry(_ match: Selection.Match, parent: OpenFile, file: OpenFile?) -> TreeEntry {
        TreeEntry(
            parent: parent,
            file: file,
            name: match.path.isEmpty ? "." : match.path.lastComponent,
            path: match.path,
            relative: [],
            status: match.status
        )
    }

    private func step(
        _ frame: Frame,
        _ name: [UInt8],
        _ frames: inout [Frame],
        _ visitor: inout some TreeVisitor
    ) throws {
        guard let directory = frame.entry.file else { return }
        let path = frame.entry.path.appending(component: name)
        let relative = frame.entry.relative.appending(component: name)
        let inTree = tree.filter.judge(path, in: frame.treeState)
        let inWalk = filter.judge(relative, in: frame.walkState)
        let isIncluded = inTree.isIncluded && inWalk.isIncluded
        if !isIncluded, !inTree.mayHoldIncluded || !inWalk.mayHoldIncluded { return }
        // A file that is gone since the directory was listed.
        guard let status = try directory.entryStatus(named: name) else { return }
        guard status.type == .directory else {
            guard isIncluded else { return }
            try enterPending(&frames, &visitor)
            try visitor.visit(
                TreeEntry(parent: directory, file: nil, name: name, path: path, relative: relative, status: status)
            )
            return
        }
        guard inTree.mayHoldIncluded && inWalk.mayHoldIncluded || isIncluded else { return }
        let opened = try ifPresent { () throws(SystemCallError) in
            try directory.openEntry(named: name, [.readOnly, .directory])
        }
        guard let file = opened else { return }
        let entry = TreeEntry(parent: directory, file: file, name: name, path: path, relative: relative, status: status)
        if isIncluded {
            try enterPending(&frames, &visitor)
            guard try visitor.enter(entry) else { return }
        }
        frames.append(
            Frame(
                entry: entry,
                names: try directoryEntries(of: file),
                treeState: inTree.state,
                walkState: inWalk.state,
                isEntered: isIncluded
            )
        )
    }

    /// Enters the directories above the current one that wait for something in them to be included.
    private func enterPending(_ frames: inout [Frame], _ visitor: inout some TreeVisitor) throws {
        for index in frames.indices where !frames[index].isEntered {
            _ = try visitor.enter(frames[index].entry)
            frames[index].isEntered = true
        }
    }
}
