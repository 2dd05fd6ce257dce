internal import LinuxSystem
internal import SystemPackage
internal import Text

/// What the database says, a second time: enough of it to make it anew.
///
///     slipway.records            everything there was at some commit, and what each commit since then changed
///     containers/<id>/record     the same of one container; it goes with the container, for it may hold secrets
///
/// A commit is recorded after it is durable, without waiting for the disk again. So the records may be behind the database
/// after a crash, which the next write puts right, and they are never ahead of it: a database that is behind its records has
/// lost commits.
struct StoreRecords: Sendable {
    let path: FilePath
    private let containers: FilePath

    /// How far the records go.
    enum End: Hashable, Sendable {
        case missing
        /// The end of the file is not that of a frame.
        case torn
        case generation(Generation)
    }

    /// What a commit changed.
    struct Change: Sendable {
        var previous: Generation
        var generation: Generation
        var lines: [UInt8] = []
        /// The rows of containers that changed; empty for one that is gone.
        var containers: [(id: String, lines: [UInt8])] = []
    }

    init(database: FilePath) {
        let layout = StoreLayout(root: database.removingLastComponent())
        path = layout.records
        containers = layout.containers
    }

    // MARK: Reading

    /// Reads the last line.
    func end() throws(SystemCallError) -> End {
        let file: OpenFile
        do throws(SystemCallError) {
            file = try OpenFile.open(path, .readOnly)
        } catch {
            if error.errno == .noSuchFileOrDirectory { return .missing }
            throw error
        }
        return try end(of: file, size: try file.status().size)
    }

    private func end(of file: OpenFile, size: Int64) throws(SystemCallError) -> End {
        let length = Int64(RecordFrame.lineLength)
        guard size >= 2 * length, let line = try line(in: file, at: size - length),
            try self.line(in: file, at: size - 2 * length - Int64(line.length)) == line
        else { return .torn }
        return .generation(line.generation)
    }

    private func line(in file: OpenFile, at offset: Int64) throws(SystemCallError) -> RecordFrame.Line? {
        if offset < 0 { return nil }
        var bytes = [UInt8](repeating: 0, count: RecordFrame.lineLength)
        let read: Result<Int, SystemCallError> = bytes.withUnsafeMutableBytes { buffer in
            do throws(SystemCallError) { return .success(try file.read(into: buffer, at: offset)) } catch {
                return .failure(error)
            }
        }
        return try read.get() == bytes.count ? RecordFrame.line(bytes[...]) : nil
    }

    /// Reads everything, of containers, too.
    func load() throws(SystemCallError) -> RecordedRows {
        var rows = RecordedRows()
        if let bytes = try contentsIfPresent(of: path, limit: .max) {
            rows.read(bytes)
        } else {
            rows.damage = "\(escapedForDisplay(path.bytes)) is missing"
        }
        guard try HostFiles.status(of: containers) != nil else { return rows }
        for name in try HostFiles.entries(of: containers) {
            let directory = FilePath(bytes: containers.bytes + "/" + name)
            guard try HostFiles.status(of: directory)?.type == .directory else { continue }
            let content = try contentsIfPresent(of: directory.appending("record"), limit: .max)
            rows.readContainer(named: String(decoding: name, as: UTF8.self), content)
        }
        return rows
    }

    // MARK: Writing

    /// Adds what a commit changed.
    ///
    /// The caller holds the write lock.
    /// - Returns: false where the records are not those of the commit before, so that everything must be recorded anew.
    func append(_ change: Change) throws(SystemCallError) -> Bool {
        for container in change.containers { try record(container.id, container.lines, change.generation) }
        let file: OpenFile
        do throws(SystemCallError) {
            file = try OpenFile.open(path, [.readWrite, .append])
        } catch {
            if error.errno == .noSuchFileOrDirectory { return false }
            throw error
        }
        let size = try file.status().size
        guard try end(of: file, size: size) == .generation(change.previous) else { return false }
        do throws(SystemCallError) {
            try file.write(RecordFrame(kind: .change, generation: change.generation, content: change.lines).encoded)
        } catch {
            // Half a frame would hide those before it.
            try file.truncate(to: size)
            throw error
        }
        return true
    }

    /// Replaces all records.
    ///
    /// The caller holds the write lock.
    func replace(with everything: Change) throws(SystemCallError) {
        for container in everything.containers {
            try record(container.id, container.lines, everything.generation)
        }
        let frame = RecordFrame(kind: .everything, generation: everything.generation, content: everything.lines)
        try write(frame, to: path, isDurable: true)
    }

    private func record(_ id: String, _ lines: [UInt8], _ generation: Generation) throws(SystemCallError) {
        let directory = containers.appending(id)
        if lines.isEmpty {
            try HostFiles.remove(directory.appending("record"))
        } else if try HostFiles.status(of: directory) != nil {
            let frame = RecordFrame(kind: .everything, generation: generation, content: lines)
            try write(frame, to: directory.appending("record"), isDurable: false)
        }
    }

    private func write(_ frame: RecordFrame, to path: FilePath, isDurable: Bool) throws(SystemCallError) {
        let draft = FilePath(bytes: path.bytes + ".new")
        do throws(SystemCallError) {
            let file = try OpenFile.open(draft, [.writeOnly, .create, .truncate, .noFollow], mode: 0o600)
            try file.changeMode(0o600)
            try file.write(frame.encoded)
            if isDurable { try file.synchronize() }
            try HostFiles.rename(draft, to: path)
        } catch {
            _ = try? HostFiles.remove(draft)
            throw error
        }
    }

    /// Whether so much has changed since everything was recorded that it is worth while to do that again.
    func haveGrown() throws(SystemCallError) -> Bool {
        let file: OpenFile
        do throws(SystemCallError) {
            file = try OpenFile.open(path, .readOnly)
        } catch {
            if error.errno == .noSuchFileOrDirectory { return true }
            throw error
        }
        guard let first = try line(in: file, at: 0) else { return true }
        return try file.status().size > max(1 << 20, 4 * Int64(first.length))
    }
}
