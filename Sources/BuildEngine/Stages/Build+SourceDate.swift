import Archive
import DockerfileFrontend
import Images
import LLB
import LinuxSystem
import OCI
import RemoteSources
import Storage

extension Build {
    /// The time that a plan's image is to have; nil where it has its layers' times.
    func time(of date: SourceDate?) async throws -> FileTime? {
        switch date {
        case nil, .unknown?: return nil
        case .time(let seconds)?: return FileTime(seconds: seconds)
        case .source(let output)?:
            guard case .source(let source) = output.node.operation else { return nil }
            if source.scheme == Source.gitScheme { return try await time(of: GitSource(source)) }
            return try await time(of: HTTPSource(source))
        }
    }

    private func time(of repository: GitSource) async throws -> FileTime {
        let commit = try await repositories.resolve(repository)
        return FileTime(seconds: try await repositories.time(of: commit, of: repository))
    }

    /// What the server says, and where it says nothing the time of the newest file in the archive.
    private func time(of file: HTTPSource) async throws -> FileTime? {
        let found = try await downloads.resolve(file)
        if found.modified != 0 { return FileTime(seconds: found.modified) }
        return try await newestFile(in: downloads.fetch(file, expecting: found.digest).digest)
    }

    /// Nil for what is no archive.
    private func newestFile(in archive: Digest) async throws -> FileTime? {
        try await onBlockingPool { [store] in
            do {
                let reader = TarReader(try decompressing(FileSource(try store.blobs.open(archive))).source)
                var newest: FileTime?
                while let entry = try reader.next() {
                    guard case .regular = entry.kind else { continue }
                    newest = max(newest ?? entry.modified, entry.modified)
                }
                return newest.map { FileTime(seconds: $0.seconds) }
            } catch is ArchiveError {
                return nil
            }
        }
    }
}
