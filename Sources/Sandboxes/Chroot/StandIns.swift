internal import LinuxSystem
internal import SystemPackage

/// What a process finds in its root where others have mounts: the things themselves, which are there for as long as it runs.
///
/// Each takes the place of what the root has, which is kept aside meanwhile, all on one file system. Nothing of it is left in the root,
/// and what was there before is there again.
struct StandIns: Sendable {
    /// Something that stands in the root.
    private struct Placed: Sendable {
        /// Without links, as the process sees it.
        let path: FilePath
        /// What the root has there; it may have been made for the place.
        let aside: FilePath
        /// Found wherever the process moves it to.
        let content: OpenFile
        let status: FileStatus
        /// Where the content goes back to; nil for what is removed.
        let origin: FilePath?
        /// Whether the root had something there before.
        let coversFile: Bool
        let place: PreparedRoot
    }

    /// What is to be known of a root from which everything was taken out.
    struct Outcome: Sendable {
        /// Files that are as they were, although the kernel has noted a change of them.
        var restored: [FilePath] = []
        /// Files that the process changed, of which nothing is kept.
        var changed: [FilePath] = []
    }

    private let root: PreparedRoot
    /// A directory of the file system of the root, for what is kept aside.
    private let scratch: FilePath
    private var placed: [Placed] = []

    /// - Parameters:
    ///   - root: in which no place was made yet.
    ///   - scratch: a directory of the same file system.
    init(in root: PreparedRoot, scratch: FilePath) {
        self.root = root
        self.scratch = scratch
    }

    // MARK: Placing

    /// Puts a file or directory of the host into the root, where it is until `remove`.
    /// - Parameters:
    ///   - source: what is moved.
    ///   - target: where the process sees it.
    ///   - isKept: whether it is moved back in the end, with what the process made of it.
    /// - Throws: `SandboxError`, `SystemCallError`; the root is then as it was.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func place(_ source: FilePath, at target: FilePath, isKept: Bool) throws {
        if isKept, let first = placed.first(where: { $0.origin == source }) {
            // The same a second time.
            let kind: PreparedRoot.Kind = first.status.type == .directory ? .directory : .file
            var place = root
            if try place.place(target, kind).path == first.path { return }
            try place.removeStubs()
            let link = name("link")
            return try put(at: target, kind, origin: nil) { _ in
                try Self.makeLink(link, to: first.path)
                return link
            }
        }
        let isDirectory = try OpenFile.open(source, [.pathOnly, .noFollow]).status().type == .directory
        try put(at: target, isDirectory ? .directory : .file, origin: isKept ? source : nil) { _ in source }
    }

    /// Makes an empty directory in the root.
    /// - Parameters:
    ///   - target: where the process sees it.
    ///   - mode: its permissions; nil for those of the directory that it covers, or 1777.
    ///   - fill: puts something into it.
    /// - Throws: `SandboxError`, `SystemCallError`; the root is then as it was.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func placeDirectory(
        at target: FilePath,
        mode: UInt32?,
        _ fill: (RootedDirectory) throws -> Void = { _ in }
    ) throws {
        let made = name("made")
        try put(at: target, .directory, origin: nil) { coveredMode in
            try HostFiles.createNewDirectory(made, mode: mode ?? coveredMode ?? 0o1777)
            try fill(try RootedDirectory(made))
            return made
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func makeLink(_ link: FilePath, to path: FilePath) throws {
        let directory = try RootedDirectory(link.removingLastComponent())
        try directory.createSymbolicLink(FilePath(root: nil, link.components.suffix(1)), target: path.bytes)
    }

    /// A name in the scratch directory that is free.
    private func name(_ kind: String) -> FilePath { scratch.appending("\(kind)-\(placed.count)") }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private mutating func put(
        at target: FilePath,
        _ kind: PreparedRoot.Kind,
        origin: FilePath?,
        _ source: (_ coveredMode: UInt32?) throws -> FilePath
    ) throws {
        var place = root
        do {
            let found = try place.place(target, kind)
            let source = try source(found.coveredMode)
            let content = try OpenFile.open(source, [.pathOnly, .noFollow])
            let aside = name("aside")
            try exchange(found.path, for: source, aside: aside)
            placed.append(
                Placed(
                    path: found.path,
                    aside: aside,
                    content: content,
                    status: try content.status(),
                    origin: origin,
                    coversFile: kind == .file && found.coveredMode != nil,
                    place: place
                )
            )
        } catch {
            try? place.removeStubs()
            throw error
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func exchange(_ path: FilePath, for source: FilePath, aside: FilePath) throws {
        try changingEntry(path) { entry in
            try HostFiles.rename(entry, to: aside)
            do {
                try RootedDirectory(source.removingLastComponent()).keepingTime(of: "") {
                    try HostFiles.rename(source, to: entry)
                }
            } catch {
                try HostFiles.rename(aside, to: entry)
                throw error
            }
        }
    }

    /// Lends an entry of the root as a path of the host that no link leads astray; its directory keeps its time.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func changingEntry(_ path: FilePath, _ body: (FilePath) throws -> Void) throws {
        let parent = path.removingLastComponent()
        let directory = try root.root.open(parent, [.pathOnly, .directory])
        guard let name = path.lastComponent else { return }
        try root.root.keepingTime(of: parent) { try body(directory.procPath.appending(name)) }
        withExtendedLifetime(directory) {}
    }

    // MARK: Removing

    /// Takes everything out of the root again, the last first, and puts back what was there.
    ///
    /// No process may be left that has the root.
    /// - Throws: `SystemCallError` for what cannot be put back.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func remove() throws -> Outcome {
        var outcome = Outcome()
        while let last = placed.popLast() {
            if last.status.type != .directory, last.origin == nil, try isChanged(last) {
                outcome.changed.append(last.path)
            }
            try takeOut(last)
            if try putBack(last), last.coversFile { outcome.restored.append(last.path) }
            try last.place.removeStubs()
        }
        return outcome
    }

    /// Whether the process has written to a file, or moved or removed it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func isChanged(_ placed: Placed) throws -> Bool {
        let now = try placed.content.status()
        guard now.changed == placed.status.changed,
            let named = try root.root.statusIfPresent(placed.path)
        else { return true }
        return named.inode != now.inode || named.device != now.device
    }

    /// Moves content back where it came from, or removes it, wherever the process has moved it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func takeOut(_ placed: Placed) throws {
        guard let current = try placed.content.currentPath() else { return }
        let parent = try RootedDirectory(current.removingLastComponent())
        try parent.keepingTime(of: "") {
            guard let origin = placed.origin else { return try removeTree(current) }
            try RootedDirectory(origin.removingLastComponent()).keepingTime(of: "") {
                try HostFiles.rename(current, to: origin)
            }
        }
    }

    /// - Returns: whether there still is a directory to put something back into.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func putBack(_ placed: Placed) throws -> Bool {
        // A process that removed the directory around has removed this with it.
        guard try root.root.hasDirectory(placed.path.removingLastComponent()) else {
            try removeTree(placed.aside)
            return false
        }
        try changingEntry(placed.path) { entry in
            try removeTree(entry)
            try HostFiles.rename(placed.aside, to: entry)
        }
        return true
    }
}

extension RootedDirectory {
    /// Whether a path leads to a directory.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    fileprivate func hasDirectory(_ path: FilePath) throws(SystemCallError) -> Bool {
        do throws(SystemCallError) {
            _ = try open(path, [.pathOnly, .directory])
            return true
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return false }
            throw error
        }
    }
}
