import Archive
import DockerfileFrontend
import Images
import LLB
import LinuxSystem
import OCI
import RemoteSources
import Storage

extension BuildEngine {
    /// The time that a plan's image is to have; nil where it has its layers' times.
    func time(of date: SourceDate?, in context: BuildContext) async throws -> FileTime? {
        switch date {
        case nil, .unknown?: return nil
        case .time(let seconds)?: return FileTime(seconds: seconds)
        case .source(let output)?:
            guard case .source(let source) = output.node.operation else { return nil }
            if source.scheme == Source.gitScheme { return try await time(of: GitSource(source), in: context) }
            return try await time(of: HTTPSource(source), in: context)
        }
    }

    private func time(of repository: GitSource, in context: BuildContext) async throws -> FileTime {
        let commit = try await context.repositories.resolve(repository)
        return FileTime(seconds: try await context.repositories.time(of: commit, of: repository))
    }

    /// What the server says, and where it says nothing the time of the newest file in the archive.
    private func time(of file: HTTPSource, in context: BuildContext) async throws -> FileTime? {
        let found = try await context.downloads.resolve(file)
        if found.modified != 0 { return FileTime(seconds: found.modified) }
        return try await newestFile(in: context.downloads.fetch(file, expecting: found.digest).digest)
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

extension ImageConfiguration {
    /// The configuration as it would have been made at a time: its own steps are of that time.
    /// - Parameters:
    ///   - time: when.
    ///   - base: the configuration that it goes on from, whose steps keep their times.
    /// - Returns: the configuration with its times.
    func made(at time: FileTime, on base: ImageConfiguration?) -> ImageConfiguration {
        var changed = clamped(to: time, on: base)
        changed.created = time.rfc3339
        return changed
    }

    /// The configuration in which nothing of its own is later than a time.
    /// - Parameters:
    ///   - time: the latest.
    ///   - base: the configuration that it goes on from, whose steps keep their times.
    /// - Returns: the configuration with its times.
    func clamped(to time: FileTime, on base: ImageConfiguration?) -> ImageConfiguration {
        func isLater(_ text: String?) -> Bool {
            text.flatMap { FileTime(rfc3339: $0) }.map { $0 > time } ?? true
        }
        var changed = self
        if isLater(created) { changed.created = time.rfc3339 }
        let own = history ?? []
        let kept = zip(own, base?.history ?? []).prefix { $0 == $1 }.count
        for index in own.indices.dropFirst(kept) where isLater(own[index].created) {
            changed.history?[index].created = time.rfc3339
        }
        return changed
    }
}
