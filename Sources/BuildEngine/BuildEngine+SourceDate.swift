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
        case nil: nil
        case .time(let seconds)?: FileTime(seconds: seconds)
        case .source(let output)?: try await time(of: output, isUnpacked: false, in: context)
        }
    }

    private func time(of output: Output, isUnpacked: Bool, in context: BuildContext) async throws -> FileTime? {
        switch output.node.operation {
        case .file:
            guard let input = output.node.inputs.first else { return nil }
            return try await time(of: input, isUnpacked: true, in: context)
        case .source(let source) where source.scheme == Source.gitScheme:
            let repository = try GitSource(source)
            let commit = try await context.repositories.resolve(repository)
            return FileTime(seconds: try await context.repositories.time(of: commit, of: repository))
        case .source(let source):
            let file = try HTTPSource(source)
            let found = try await context.downloads.resolve(file)
            guard isUnpacked else { return FileTime(seconds: found.modified) }
            return try await newestEntry(of: context.downloads.fetch(file, expecting: found.digest).digest)
        case .exec, .merge, .diff: return nil
        }
    }

    private func newestEntry(of archive: Digest) async throws -> FileTime? {
        try await onBlockingPool { [store] in
            let reader = TarReader(try decompressing(FileSource(try store.blobs.open(archive))).source)
            var newest: FileTime?
            while let entry = try reader.next() { newest = max(newest ?? entry.modified, entry.modified) }
            return newest.map { FileTime(seconds: $0.seconds) }
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
