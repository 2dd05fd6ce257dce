internal import CLinux
package import SystemPackage

/// Makes files and whole trees durable, together with their names.
///
/// fsync(2) of each file is slow where there are many, and syncfs(2) where another program writes much, because it waits for that
/// program's pages. On ext4 with a journal there is a third way: the pages of each file are written, and then one fsync(2) of any new
/// file commits the journal, which has everything else in the order in which it was done. docs/decisions/0029 has the times.
package struct TreeFlush {
    private enum Way {
        case journal, eachFile, fileSystem
    }

    /// More files than that are flushed with all others of their file system, where there is no journal to rely on.
    private static let mostSingleFiles = 32
    /// As many files are written at once.
    private static let batch = 256
    /// From so many files on it is looked at what other programs have to write.
    private static let manyFiles = 64
    /// If the machine has less to write than this, the file system as a whole is flushed faster.
    private static let quietBytes: Int64 = 256 << 20

    private let scratch: FilePath
    private let device: UInt64
    private var way: Way
    private var open: [OpenFile] = []
    private var count = 0
    /// Of what was added.
    private var parents: Set<FilePath> = []

    /// - Parameter scratch: a directory where a file can be made, on the file system of what is flushed.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(scratch: FilePath) throws(SystemCallError) {
        self.scratch = scratch
        device = try OpenFile.open(scratch, [.readOnly, .directory]).status().device
        way = Self.hasJournal(device) ? .journal : .eachFile
    }

    /// Adds a file, or a directory with all that is in it; what is not there is nothing.
    ///
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package mutating func add(_ path: FilePath) throws(SystemCallError) {
        guard let status = try HostFiles.status(of: path) else { return }
        if status.device != device {
            // Something is mounted there.
            return try status.type == .directory ? Self.flushAlone(path) : OpenFile.open(path, .readOnly).synchronize()
        }
        parents.insert(path.removingLastComponent())
        do throws(SystemCallError) {
            if status.type == .directory { return try add(RootedDirectory(path)) }
            try add(try OpenFile.open(path, [.readOnly, .noFollow]), isDirectory: false)
        } catch {
            // Somebody removes it: a collection of garbage, or the process that made it.
            guard error.errno == .noSuchFileOrDirectory else { throw error }
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private mutating func add(_ tree: RootedDirectory) throws(SystemCallError) {
        var pending: [FilePath] = [""]
        while let directory = pending.popLast(), way != .fileSystem {
            for name in try tree.entries(of: directory) {
                let path = directory.appending(name: name)
                switch try tree.status(path).type {
                case .directory: pending.append(path)
                case .regular: try add(try tree.open(path, [.readOnly, .noFollow]), isDirectory: false)
                case .symbolicLink, .characterDevice, .blockDevice, .fifo, .socket: break
                }
            }
            try add(try tree.open(directory, [.readOnly, .directory]), isDirectory: true)
        }
    }

    private static func flushAlone(_ directory: FilePath) throws(SystemCallError) {
        var flush = try TreeFlush(scratch: directory)
        try flush.add(directory)
        try flush.finish()
    }

    private mutating func add(_ file: OpenFile, isDirectory: Bool) throws(SystemCallError) {
        count += 1
        switch way {
        case .fileSystem: return
        case .eachFile:
            open.append(file)
            if count > Self.mostSingleFiles { way = .fileSystem }
        case .journal:
            if isDirectory { return }
            try file.startWriting()
            open.append(file)
            if open.count >= Self.batch { try awaitWriting() }
            if count == Self.manyFiles, try Self.unwrittenBytes() < Self.quietBytes { way = .fileSystem }
        }
        if way == .fileSystem { open = [] }
    }

    private mutating func awaitWriting() throws(SystemCallError) {
        for file in open { try file.awaitWriting() }
        open = []
    }

    /// Waits until all of it is on the disk.
    ///
    /// - Throws: `SystemCallError`; what was written to the files may be lost then, though they can be read as if it were not.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package mutating func finish() throws(SystemCallError) {
        switch way {
        case .fileSystem: try OpenFile.open(scratch, [.readOnly, .directory]).synchronizeFileSystem()
        case .eachFile:
            for file in open { try file.synchronize() }
            for parent in parents { try HostFiles.synchronizeDirectory(parent) }
        case .journal:
            try awaitWriting()
            if count == 0 { return }
            let last = scratch.appending(".flush-\(UInt64.random(in: 0 ... .max))")
            let file = try OpenFile.open(last, [.writeOnly, .createNew], mode: 0o600)
            try HostFiles.remove(last)
            try file.synchronize()
        }
    }

    /// Whether a device has an ext4 with a journal, as far as this process can see.
    private static func hasJournal(_ device: UInt64) -> Bool {
        let number = FilePath("\(slipway_major(device)):\(slipway_minor(device))")
        guard let link = try? RootedDirectory("/sys/dev/block").readLink(number),
            let name = FilePath(bytes: link).lastComponent
        else { return false }
        let task = FilePath("/sys/fs/ext4").appending(name).appending("journal_task")
        return (try? HostFiles.status(of: task)) != nil
    }

    /// What the machine has in memory and not yet on its disks.
    private static func unwrittenBytes() throws(SystemCallError) -> Int64 {
        let text = try contentsIfPresent(of: "/proc/meminfo", limit: 1 << 20) ?? []
        return text.split(separator: 0x0a).reduce(0) { sum, line in
            let fields = line.split(separator: 0x20)
            guard fields.count > 1, ["Dirty:", "Writeback:"].contains(String(decoding: fields[0], as: UTF8.self)) else {
                return sum
            }
            return sum + (Int64(String(decoding: fields[1], as: UTF8.self)) ?? 0) << 10
        }
    }
}
