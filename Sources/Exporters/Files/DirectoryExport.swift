internal import Archive
package import LinuxSystem
package import Snapshots
package import SystemPackage

/// Writes the files of a result into a directory of the host (`--output type=local`).
///
/// Existing files are replaced one by one, each by a rename, and what else is in the directory stays. The destination is a root:
/// a link that stands there, or comes with the result, is never written through. Owners become the user who exports, as a
/// file that belongs to another user is of no use to them; modes, times, links, attributes and access control lists are kept.
/// Device nodes need root; whether they can be made is found out before anything is written.
package struct DirectoryExport {
    private let source: RootedDirectory
    private let destination: RootedDirectory
    /// Files with several names: the first name each was written under.
    private var firstNames: [Inode: FilePath] = [:]
    private var directories: [(path: FilePath, status: FileStatus)] = []
    /// The time that all files get; nil for the times that they have.
    package var time: FileTime?
    /// What files are compared with as they are read; nil where that is not known.
    package var sums: TreeSums?
    /// What was written, for `removeOthers`.
    package private(set) var paths: Set<FilePath> = []
    /// How many files and directories were written.
    package private(set) var count = 0

    private struct Inode: Hashable {
        let device: UInt64
        let number: UInt64
    }

    /// - Parameters:
    ///   - source: the root of the result's files.
    ///   - path: the directory to write to; it is made where it is missing.
    /// - Throws: `SystemCallError` if it can be neither made nor opened.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(source: RootedDirectory, destination path: FilePath) throws(SystemCallError) {
        self.source = source
        try HostFiles.createDirectories(path)
        destination = try RootedDirectory(path, isOutside: true)
    }

    /// Writes everything.
    /// - Parameter isCancelled: asked for each entry; true ends the work with `CancellationError`.
    /// - Throws: `ExportError` for a device node; `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package mutating func run(isCancelled: @Sendable () -> Bool = { false }) throws {
        try checkDevices(isCancelled)
        var pending: [FilePath] = [""]
        while let directory = pending.popLast() {
            for name in try source.entries(of: directory) {
                if isCancelled() { throw CancellationError() }
                let path = directory.appending(name: name)
                let status = try source.status(path)
                try write(path, status)
                paths.insert(path)
                count += 1
                if status.type == .directory {
                    pending.append(path)
                    directories.append((path, status))
                }
            }
        }
        // Last, and deepest first: writing into a directory changes its time, and a read-only one cannot be written into.
        for (path, status) in directories.reversed() {
            // Before the mode, which may keep its owner from it.
            try copyAttributes(
                from: source.open(path, [.pathOnly, .directory, .noFollow]),
                to: destination.open(path, [.pathOnly, .directory, .noFollow])
            )
            try destination.changeMode(path, UInt32(status.mode))
            try destination.setTimes(path, modified: time ?? status.modified)
        }
    }

    /// Writes a file beside those of the result.
    /// - Parameters:
    ///   - file: the file; its name is no path.
    ///   - modified: its time, unless all files have one.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func write(_ file: AddedFile, modified: FileTime) throws {
        let path = FilePath("").appending(name: Array(file.name.utf8))
        try replace(path) { temporary in
            let output = try destination.open(temporary, [.writeOnly, .createNew, .noFollow], mode: 0o600)
            try output.write(file.bytes)
            try destination.setTimes(temporary, modified: time ?? modified)
        }
        paths.insert(path)
        count += 1
    }

    /// - Throws: `ExportError.deviceNode` where the result has a device and none can be made here.
    private func checkDevices(_ isCancelled: () -> Bool) throws {
        var pending: [FilePath] = [""]
        while let directory = pending.popLast() {
            for name in try source.entries(of: directory) {
                if isCancelled() { throw CancellationError() }
                let path = directory.appending(name: name)
                let status = try source.status(path)
                if status.type == .directory { pending.append(path) }
                guard status.type == .characterDevice || status.type == .blockDevice else { continue }
                let probe = FilePath(".slipway-export-\(ProcessContext.processID)")
                do throws(SystemCallError) {
                    try makeNode(probe, status)
                } catch {
                    guard error.errno == .notPermitted else { throw error }
                    throw ExportError.deviceNode(path)
                }
                // One shows it for all.
                return try destination.remove(probe)
            }
        }
    }

    private func makeNode(_ path: FilePath, _ status: FileStatus) throws(SystemCallError) {
        try destination.createNode(path, status.specialFile, mode: 0o600)
    }

    private mutating func write(_ path: FilePath, _ status: FileStatus) throws {
        if status.type == .directory {
            if try destination.statusIfPresent(path)?.type == .directory { return }
            try removeExisting(path)
            return try destination.createDirectory(path, mode: 0o700)
        }
        let inode = Inode(device: status.device, number: status.inode)
        if status.linkCount > 1, let first = firstNames[inode] {
            try removeExisting(path)
            return try destination.createHardLink(path, to: first)
        }
        switch status.type {
        case .directory: return
        case .regular: try copyFile(path, status)
        case .symbolicLink:
            try removeExisting(path)
            try destination.createSymbolicLink(path, target: try source.readLink(path))
            try destination.setTimes(path, modified: time ?? status.modified)
        case .fifo, .characterDevice, .blockDevice:
            try removeExisting(path)
            try makeNode(path, status)
            try destination.changeMode(path, UInt32(status.mode))
            try destination.setTimes(path, modified: time ?? status.modified)
        case .socket: return
        }
        if status.linkCount > 1 { firstNames[inode] = path }
    }

    private func copyFile(_ path: FilePath, _ status: FileStatus) throws {
        let input = try source.open(path, [.readOnly, .noFollow])
        try replace(path) { temporary in
            let output = try destination.open(temporary, [.writeOnly, .createNew, .noFollow], mode: 0o600)
            let sum = try copyContent(from: input, to: output)
            try sums?.compare(path.bytes, sum)
            try copyAttributes(from: input, to: output)
            try destination.changeMode(temporary, UInt32(status.mode))
            try destination.setTimes(temporary, modified: time ?? status.modified)
        }
    }

    /// Puts what is written aside in the place of a path.
    private func replace(_ path: FilePath, _ write: (FilePath) throws -> Void) throws {
        var name = path
        name.removeLastComponent()
        let temporary = name.appending(".slipway-export-\(ProcessContext.processID)")
        if try destination.statusIfPresent(temporary) != nil { try destination.remove(temporary) }
        do {
            try write(temporary)
            if try destination.statusIfPresent(path)?.type == .directory { try removeExisting(path) }
            try destination.rename(temporary, to: path)
        } catch {
            // The half-written file goes; the error that matters is the first one.
            try? destination.remove(temporary)
            throw error
        }
    }

    private func copyAttributes(from input: OpenFile, to output: OpenFile) throws(SystemCallError) {
        for (attribute, value) in try copiedAttributes(of: input) {
            do throws(SystemCallError) {
                try output.setExtendedAttribute(attribute, value)
            } catch {
                // Not every file system of a user has them, and capabilities need root.
                guard error.errno == .notSupported || error.errno == .notPermitted else { throw error }
            }
        }
    }

    private func copyContent(from input: OpenFile, to output: OpenFile) throws(SystemCallError) -> FileSum {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4096)
        defer { buffer.deallocate() }
        var counter = FileSum.Counter()
        while true {
            let count = try input.read(into: buffer)
            if count == 0 { return counter.sum }
            let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            try output.write(bytes)
            counter.add(bytes)
        }
    }

    /// Makes room for an entry of another kind; a directory in its place goes with all it holds.
    private func removeExisting(_ path: FilePath) throws(SystemCallError) {
        try removeTree(path, in: destination)
    }
}

/// Removes what is in a directory and not among the paths that were written.
/// - Parameters:
///   - directory: the destination of exports.
///   - kept: what they wrote, and the directories above.
/// - Throws: `SystemCallError`.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func removeOthers(in directory: RootedDirectory, than kept: Set<FilePath>) throws(SystemCallError) {
    var pending: [FilePath] = [""]
    while let parent = pending.popLast() {
        for name in try directory.entries(of: parent) {
            let path = parent.appending(name: name)
            if !kept.contains(path) {
                try removeTree(path, in: directory)
            } else if try directory.status(path).type == .directory {
                pending.append(path)
            }
        }
    }
}

/// Removes what a path names, with all that is in it; a link is removed and not followed.
private func removeTree(_ path: FilePath, in root: RootedDirectory) throws(SystemCallError) {
    guard let status = try root.statusIfPresent(path) else { return }
    guard status.type == .directory else { return try root.remove(path) }
    for name in try root.entries(of: path) {
        try removeTree(path.appending(name: name), in: root)
    }
    try root.remove(path, directory: true)
}

/// The paths of everything below a directory that is no directory.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func filePaths(below root: RootedDirectory) throws(SystemCallError) -> [FilePath] {
    var paths: [FilePath] = []
    var pending: [FilePath] = [""]
    while let directory = pending.popLast() {
        for name in try root.entries(of: directory) {
            let path = directory.appending(name: name)
            if try root.status(path).type == .directory { pending.append(path) } else { paths.append(path) }
        }
    }
    return paths
}
