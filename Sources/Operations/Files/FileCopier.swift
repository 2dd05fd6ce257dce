internal import LLB
internal import LinuxSystem
internal import SystemPackage
internal import Text

/// Numbers of a user and a group.
package struct NumericOwner: Hashable, Sendable {
    package var user: UInt32
    package var group: UInt32

    package init(user: UInt32, group: UInt32) {
        self.user = user
        self.group = group
    }
}

/// Copies files from one tree into another as `COPY` does.
///
/// What is written stays below the destination's root whatever links it holds. Modes, times, hard links, holes and the
/// attributes that belong to files are kept; devices and FIFOs are made anew and never opened.
struct FileCopier {
    let copy: FileCopy
    let source: SourceTree
    let destination: RootedDirectory
    /// Whom copied files belong to; nil keeps the source's.
    let owner: NumericOwner?
    private let modeChange: AppliedMode
    /// What to call from time to time, to stop when nobody wants the result.
    private let checkCancellation: @Sendable () throws -> Void
    /// One for each thread that copies.
    private let contents = (0..<min(availableProcessorCount(), 4)).map { _ in FileContentCopier() }

    init(
        _ copy: FileCopy,
        from source: SourceTree,
        to destination: RootedDirectory,
        owner: NumericOwner?,
        checkCancellation: @escaping @Sendable () throws -> Void = {}
    ) throws(OperationError) {
        self.copy = copy
        self.source = source
        self.destination = destination
        self.owner = owner
        self.checkCancellation = checkCancellation
        modeChange = try AppliedMode(copy.mode)
    }

    /// Copies everything the copy names.
    /// - Returns: how many paths were copied; 0 where a pattern matched nothing and that is allowed.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func run(unpack: (Selection.Match, [UInt8]) throws -> Bool = { _, _ in false }) throws -> Int {
        let selection = Selection(copy)
        let matches = try selection.matches(in: source)
        if matches.isEmpty, !copy.allowsNoMatch {
            throw OperationError.notFound(path: [[UInt8].slash] + rootedPath(copy.source), in: source.name, hint: nil)
        }
        if !copy.createsDestination {
            let parent = rootedPath(copy.destination).parentPath
            guard try TreePath.resolve(parent, in: destination, followsLast: true).exists else {
                throw OperationError.parentMissing(copy.destination)
            }
        }
        for match in matches {
            _ = try selection.passingOverVanished(match.path, in: source) {
                if copy.unpacksArchives, match.status.type == .regular, try unpack(match, copy.destination) { return }
                try copyMatch(match)
            }
        }
        return matches.count
    }

    /// The mode of directories that are made on the way, which have no source; set-id and sticky bits are for what is copied.
    private var directoryMode: UInt32 {
        if case .bits(let bits) = copy.mode { bits & 0o777 } else { 0o755 }
    }

    private func copyMatch(_ match: Selection.Match) throws {
        let maker = DirectoryMaker(root: destination, mode: directoryMode, owner: owner, timestamp: copy.timestamp)
        if copy.destination.endsAsDirectory {
            try maker.make(copy.destination)
        } else {
            try maker.make(rootedPath(copy.destination).parentPath)
        }
        let found = try TreePath.resolve(copy.destination, in: destination, followsLast: true)
        var target = found.resolved
        let isDirectory = match.status.type == .directory
        // The root of a tree has no name to be put under.
        let takesContents = copy.copiesDirectoryContents || (isDirectory && match.path.isEmpty)
        let goesInto = isDirectory ? !takesContents && found.exists : found.status?.type == .directory
        if goesInto { target = target.appending(component: match.name) }
        let mergesContents = takesContents && isDirectory
        if mergesContents, let status = found.status, status.type != .directory {
            guard copy.replacesDestination else { throw OperationError.notADirectory(copy.destination) }
            try destination.keepingTime(of: target.parentPath.filePath) { try removeTree(target, in: destination) }
        }
        try maker.make(mergesContents ? target : target.parentPath)
        let filter = try PathFilter(includes: copy.includePatterns, excludes: copy.excludePatterns)
        let entries = CopiedEntries(
            source: source,
            destination: destination,
            owner: owner,
            modeChange: modeChange,
            timestamp: copy.timestamp,
            replaces: copy.replacesDestination
        )
        let top = CopyWriter.Top(
            name: match.name,
            takesContents: copy.copiesDirectoryContents,
            target: target,
            isMade: !mergesContents
        )
        var writer = CopyWriter(entries, top, contents: contents, checkCancellation: checkCancellation)
        // The copied tree has times of its own; what it is put into keeps the one it had.
        try destination.keepingTime(of: target.parentPath.filePath) {
            try TreeWalk(tree: source, filter: filter).walk(match, &writer)
        }
    }
}
