import Archive
import BuildGraph
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage
import Tasks

extension Exporter {
    /// Writes the files of a result into a directory.
    func exportFiles(to path: FilePath, _ options: FileOptions, _ step: OperationContext) async throws {
        let isSplit = isSplit(options)
        if !isSplit { try await checkOverlap() }
        var written: Set<FilePath> = []
        for image in results {
            let shown = results.count > 1 ? " \(image.platform)" : ""
            let time = image.epoch(options.epoch)
            let added = try await attestationFiles(of: image, options)
            let modified = FileTime(seconds: now.nanoseconds / 1_000_000_000)
            written.formUnion(
                try await step.withStatus("copying files\(shown)") { _ in
                    try await snapshots.withMounted(image.tree) { root in
                        let sums = snapshots.sums(of: image.tree)
                        return try await Self.copyFiles(root, sums, to: path, isSplit ? image.directory : nil, time) {
                            export in
                            for file in added { try export.write(file, modified: modified) }
                        }
                    }
                }
            )
        }
        guard options.deletesOthers else { return }
        let kept = written
        try await Self.explaining(path) {
            try await onBlockingPool { try removeOthers(in: RootedDirectory(path), than: kept) }
        }
    }

    /// Lends the files of a result to what takes them to the client.
    func sendFiles(
        _ options: FileOptions,
        _ step: OperationContext,
        to take: @Sendable (RootedDirectory, _ whenRead: @escaping FileComparison) async throws -> Void
    ) async throws {
        if let image = results.first, results.count == 1, !isSplit(options), image.epoch(options.epoch) == nil,
            image.attestations.allSatisfy(\.isInlineOnly)
        {
            return try await step.withStatus("copying files") { _ in
                try await snapshots.withMounted(image.tree) { root in
                    let sums = snapshots.sums(of: image.tree)
                    try await take(try await onBlockingPool { try RootedDirectory(root) }, sums.compare)
                }
            }
        }
        // What is put together of several trees, has other times than the layers or more files is made aside.
        let aside = try await onBlockingPool { [store] in try store.temporaryDirectory() }
        var kept = options
        kept.deletesOthers = false
        try await withCleanUp {
            try await exportFiles(to: aside, kept, step)
            // They were compared when they were put there.
            try await take(try await onBlockingPool { try RootedDirectory(aside) }) { _, _ in }
        } finally: {
            try await onBlockingPool { try removeTree(aside) }
        }
    }

    /// - Returns: what was written, as seen from the destination.
    private static func copyFiles(
        _ root: FilePath,
        _ sums: TreeSums,
        to path: FilePath,
        _ directory: String?,
        _ time: FileTime?,
        adding add: @escaping @Sendable (inout DirectoryExport) throws -> Void
    ) async throws -> Set<FilePath> {
        let target = directory.map { path.appending($0) } ?? path
        return try await explaining(target) {
            try await onCancellablePool { isCancelled in
                var export = try DirectoryExport(source: RootedDirectory(root), destination: target)
                export.time = time
                export.sums = sums
                try export.run(isCancelled: isCancelled)
                try add(&export)
                guard let directory else { return export.paths }
                let top = FilePath(directory)
                return Set(export.paths.map { top.appending($0.components) } + [top])
            }
        }
    }

    private static func explaining<Value>(_ path: FilePath, _ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as SystemCallError {
            throw ExportError.refused(path, reason: "\(error)", error)
        }
    }

    /// Writes the files of a result as one archive.
    func exportArchive(
        to destination: ExportDestination,
        _ options: FileOptions,
        _ step: OperationContext
    ) async throws {
        let (isSplit, images) = (isSplit(options), results)
        if !isSplit { try await checkOverlap() }
        let time = images.first?.epoch(options.epoch)
        var added: [[AddedFile]] = []
        for image in images { added.append(try await attestationFiles(of: image, options)) }
        let modified = FileTime(seconds: now.nanoseconds / 1_000_000_000)
        try await step.withStatus("sending tarball") { [added] _ in
            try await withMounted(images[...]) { roots in
                try await write(to: destination) { file in
                    try await onCancellablePool { isCancelled in
                        let trees = try zip(images, roots).map { image, root in
                            (name: isSplit ? Array(image.directory.utf8) : [], root: try RootedDirectory(root))
                        }
                        try writeTreeArchive(
                            of: trees,
                            to: FileSink(file),
                            time: time,
                            comparing: images.map { snapshots.sums(of: $0.tree) },
                            isCancelled: isCancelled
                        ) { writer, number in
                            let prefix = trees[number].name
                            for file in added[number] {
                                try writer.add(file, below: prefix, time: time ?? modified)
                            }
                        }
                    }
                }
            }
        }
    }

    /// Refuses files that two platforms both have, where they would go to the same place.
    private func checkOverlap() async throws {
        let images = results
        guard images.count > 1 else { return }
        try await withMounted(images[...]) { roots in
            try await onBlockingPool {
                var owners: [FilePath: Platform] = [:]
                for (image, root) in zip(images, roots) {
                    for path in try filePaths(below: RootedDirectory(root)) {
                        if let owner = owners.updateValue(image.platform, forKey: path) {
                            throw ExportError.overlap(path, first: "\(owner)", second: "\(image.platform)")
                        }
                    }
                }
            }
        }
    }

    /// Lends the files of all platforms at the same time.
    private func withMounted(
        _ images: ArraySlice<BuiltImage>,
        _ roots: [FilePath] = [],
        _ body: ([FilePath]) async throws -> Void
    ) async throws {
        guard let image = images.first else { return try await body(roots) }
        try await snapshots.withMounted(image.tree) { root in
            try await withMounted(images.dropFirst(), roots + [root], body)
        }
    }

    /// Lends the file of a destination; one that has a path appears complete and durable, or not at all.
    func write(
        to destination: ExportDestination,
        of image: ExportedImage? = nil,
        _ body: (OpenFile) async throws -> Void
    ) async throws {
        switch destination {
        case .open(let file): try await body(file)
        case .stream(let take): try await writeStream({ try await take($0, image) }, body)
        case .file(let path):
            do {
                try await PendingFile.write(to: path, body)
            } catch let error as SystemCallError {
                throw ExportError.refused(path, reason: SystemCallError.text(of: error.errno), error)
            }
        }
    }

    /// Writes into a pipe, whose other end is read meanwhile.
    private func writeStream(
        _ take: @escaping @Sendable (OpenFile) async throws -> ExportReception,
        _ body: (OpenFile) async throws -> Void
    ) async throws {
        // An end is closed when nothing holds it any more: each goes to the one who uses it.
        var ends: (reading: OpenFile, writing: OpenFile)? = try makePipe()
        try await withThrowingTaskGroup(of: ExportReception.self) { group in
            if let reading = ends?.reading { group.addTask { try await take(reading) } }
            var writing = ends?.writing
            ends = nil
            do {
                if let file = writing.take() { try await body(file) }
            } catch let error as SystemCallError where error.errno == .brokenPipe {
                // Why the reader went away says more.
                if try await group.next() == .unwanted { return }
                throw error
            }
            try await group.waitForAll()
        }
    }
}
