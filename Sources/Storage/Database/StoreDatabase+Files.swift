internal import CSQLite
internal import LinuxSystem
internal import SystemPackage

extension StoreDatabase {
    /// The files that belong to a database besides itself.
    static let suffixes = ["", "-wal", "-shm", "-sums", "-journal"]

    static func file(_ suffix: String, of path: FilePath) -> FilePath {
        FilePath(bytes: path.bytes + Array(suffix.utf8))
    }

    /// Where the checksums of the database's pages are.
    var pageSums: FilePath { Self.file("-sums", of: path) }

    /// Makes files that older versions left open to all readable by their owner alone; SQLite gives new ones the mode of the database.
    func keepPrivate() throws(SystemCallError) {
        for suffix in Self.suffixes + [".lock"] {
            let file = Self.file(suffix, of: path)
            if try HostFiles.status(of: file) != nil { try OpenFile.open(file, .pathOnly).changeMode(0o600) }
        }
    }

    /// Makes an empty database with its own mode, and the sums of pages where there are none.
    ///
    /// The caller holds the write lock, and has not opened the database for writing.
    func prepareFiles() throws(SystemCallError) {
        if try HostFiles.status(of: path) == nil {
            try OpenFile.open(path, [.writeOnly, .create], mode: 0o600).changeMode(0o600)
        }
        if try HostFiles.status(of: pageSums) == nil { try writePageSums() }
    }

    /// Takes the pages as they are now for what they must be.
    ///
    /// Pages in the log need no sums: it has its own, and they get theirs when they come into the database.
    private func writePageSums() throws(SystemCallError) {
        let draft = Self.file(".new", of: pageSums)
        let sums = try OpenFile.open(draft, [.writeOnly, .create, .truncate, .noFollow], mode: 0o600)
        try sums.changeMode(0o600)
        let file = try OpenFile.open(path, .readOnly)
        var page = [UInt8](repeating: 0, count: 4096)
        var number: Int64 = 0
        while try read(&page, from: file, at: number * 4096) {
            // Another size of pages, of a database that was made elsewhere: it has no sums.
            if number == 0, page[16] != 0x10 || page[17] != 0 { break }
            _ = try retryingSystemCall("pwrite", path: draft) {
                slipway_sqlite_write_page_sum(sums.descriptor, page, number)
            }
            number += 1
        }
        try HostFiles.rename(draft, to: pageSums)
    }

    private func read(_ page: inout [UInt8], from file: OpenFile, at offset: Int64) throws(SystemCallError) -> Bool {
        let count: Result<Int, SystemCallError> = page.withUnsafeMutableBytes { buffer in
            do throws(SystemCallError) { return .success(try file.read(into: buffer, at: offset)) } catch {
                return .failure(error)
            }
        }
        return try count.get() == page.count
    }
}
