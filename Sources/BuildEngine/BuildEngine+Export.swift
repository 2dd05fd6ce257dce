import Archive
import BuildGraph
import DockerfileFrontend
import Exporters
import Glibc
import Images
import LinuxSystem
import OCI
import Snapshots
import SystemPackage

/// The image of a build, and where it went.
struct ExportedImage: Sendable {
    /// Of the configuration, or of the index of several platforms.
    let id: Digest
    let index: Descriptor?
    let names: [ImageReference]
    let pushed: [PushedImage]
}

extension Export {
    fileprivate var isPush: Bool { if case .registry = self { true } else { false } }
}

extension BuildEngine {
    /// Refuses what cannot be done with a result, before it is made.
    func checkExports(of request: BuildRequest) throws(BuildError) {
        if request.exports.contains(where: \.isPush), request.names.isEmpty { throw .pushNeedsName }
        for case .dockerArchive in request.exports where request.isMultiPlatform { throw .dockerArchiveOfSeveral }
    }

    /// Makes the images of a result and does with them what the request asks for.
    ///
    /// An image that has a time of its own has it whenever it is built.
    func export(
        _ solved: SolvedBuild,
        of plans: [BuildPlan],
        at times: [FileTime?],
        _ request: BuildRequest,
        _ progress: BuildSteps
    ) async throws -> ExportedImage {
        try await progress.step("exporting to \(Self.title(of: request.exports))") { step in
            let images = try await step.withStatus("exporting layers") { _ in
                var images: [BuiltImage] = []
                for (index, (plan, tree)) in zip(plans, solved.trees).enumerated() {
                    let configuration = try await finishedConfiguration(of: plan, tree, at: times[index])
                    let bytes = try configurationBytes(configuration, tree, solved, request)
                    let image = NewImage(configuration: bytes, layers: tree.layers)
                    images.append(BuiltImage(image: image, tree: tree, platform: configuration.platform.normalized))
                }
                return images
            }
            let result = try await BuildOutcome(images, of: request, layers: snapshots)
            var pushed: [PushedImage] = []
            for export in request.exports { pushed += try await carryOut(export, result, step) }
            return ExportedImage(id: result.id, index: result.index, names: result.names, pushed: pushed)
        }
    }

    private static func title(of exports: [Export]) -> String {
        switch exports.first {
        case .image?, .registry?, nil: "image"
        case .directory?: "client directory"
        case .tar?: "client tarball"
        case .ociArchive?: "oci image format"
        case .dockerArchive?: "docker image format"
        }
    }

    private func finishedConfiguration(
        of plan: BuildPlan,
        _ tree: FileTree,
        at time: FileTime?
    ) async throws -> ImageConfiguration {
        // Several layers at once: each is read as one stream where its digest is not known.
        let layers = try await withThrowingTaskGroup(of: (index: Int, layer: ImageAssembly.Layer).self) { group in
            for (index, layer) in tree.layers.enumerated() {
                group.addTask { [snapshots] in
                    let diffID = try await snapshots.diffID(of: layer)
                    let created = FileTime(seconds: try await snapshots.info(of: layer).created)
                    return (index, ImageAssembly.Layer(diffID: diffID, created: created.rfc3339))
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let finished = ImageAssembly.finish(
            time.map { plan.configuration.made(at: $0) } ?? plan.configuration,
            layers: layers.sorted { $0.index < $1.index }.map(\.layer),
            now: FileTime(seconds: now().nanoseconds / 1_000_000_000).rfc3339
        )
        return time.map { finished.made(at: $0) } ?? finished
    }

    private func carryOut(
        _ export: Export,
        _ result: BuildOutcome,
        _ step: OperationContext
    ) async throws -> [PushedImage] {
        switch export {
        case .image:
            // Whoever uses the image later need not have the cache that its layers were found in.
            for image in result.images { try await snapshots.fetchRemoteLayers(among: image.tree.layers) }
            try await keep(result, step)
        case .registry:
            // A push is of a local image, which the name that is pushed leads to.
            try await keep(result, step)
            return try await push(result.names, step)
        case .directory(let path, let split):
            try await exportFiles(of: result, to: path, split: split ?? result.isIndex, step)
        case .tar(let destination, let split):
            try await exportArchive(of: result, to: destination, split: split ?? result.isIndex, step)
        case .ociArchive(let destination), .dockerArchive(let destination):
            try await step.withStatus("sending tarball") { _ in
                try await writeImageArchive(of: result, to: destination)
            }
        }
        return []
    }

    private func exportFiles(
        of result: BuildOutcome,
        to path: FilePath,
        split: Bool,
        _ step: OperationContext
    ) async throws {
        if !split { try await checkOverlap(of: result) }
        for image in result.images {
            let shown = result.isIndex ? " \(image.platform)" : ""
            try await step.withStatus("copying files\(shown)") { _ in
                try await snapshots.withMounted(image.tree) { root in
                    try await onCancellablePool { isCancelled in
                        let target = split ? path.appending(image.directory) : path
                        do {
                            var export = try DirectoryExport(source: RootedDirectory(root), destination: target)
                            try export.run(isCancelled: isCancelled)
                        } catch let error as SystemCallError {
                            throw BuildError.exportRefused(path: target, reason: "\(error)")
                        }
                    }
                }
            }
        }
    }

    private func exportArchive(
        of result: BuildOutcome,
        to destination: ExportDestination,
        split: Bool,
        _ step: OperationContext
    ) async throws {
        if !split { try await checkOverlap(of: result) }
        try await step.withStatus("sending tarball") { _ in
            try await withMounted(result.images[...]) { roots in
                try await write(to: destination) { file in
                    try await onCancellablePool { isCancelled in
                        let trees = try zip(result.images, roots).map { image, root in
                            (split ? Array(image.directory.utf8) : [], try RootedDirectory(root))
                        }
                        try writeTreeArchive(of: trees, to: FileSink(file), isCancelled: isCancelled)
                    }
                }
            }
        }
    }

    /// Refuses files that two platforms both have, where they would go to the same place.
    private func checkOverlap(of result: BuildOutcome) async throws {
        guard result.images.count > 1 else { return }
        try await withMounted(result.images[...]) { roots in
            try await onBlockingPool {
                var owners: [FilePath: Platform] = [:]
                for (image, root) in zip(result.images, roots) {
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

    private func keep(_ result: BuildOutcome, _ step: OperationContext) async throws {
        switch result.content {
        case .image(var image):
            image.names = result.names
            try await step.withStatus("writing image \(result.id)") { [image] _ in _ = try await images.add(image) }
        case .index(var index):
            index.names = result.names
            for member in index.members {
                await step.withStatus("exporting manifest \(Digest.sha256(of: member.manifest))") { _ in }
                await step.withStatus("exporting config \(Digest.sha256(of: member.image.configuration))") { _ in }
            }
            try await step.withStatus("exporting manifest list \(result.id)") { [index] _ in
                _ = try await images.add(index)
            }
        }
        for name in result.names { await step.withStatus("naming to \(name)") { _ in } }
    }

    private func push(_ names: [ImageReference], _ step: OperationContext) async throws -> [PushedImage] {
        guard let remote else { throw BuildError.pushNeedsRegistry }
        var pushed: [PushedImage] = []
        for name in names {
            pushed.append(
                try await step.withStatus("pushing \(name)") { _ in
                    try await remote.push(name) { event in
                        guard case .layer(let digest, .pushing(let sent, let total)) = event else { return }
                        step.report("pushing layer \(digest.short)", current: sent, total: total)
                    }
                }
            )
        }
        return pushed
    }

    /// Writes an image as an archive that readers of OCI layouts and of docker's archives understand alike.
    private func writeImageArchive(of result: BuildOutcome, to destination: ExportDestination) async throws {
        let wasKept = try await images.image(id: result.id) != nil
        switch result.content {
        case .image(let image): _ = try await images.add(image)
        case .index(let index): _ = try await images.add(index)
        }
        let archiver = ImageArchiver(images: images, layers: snapshots)
        do {
            try await write(to: destination) { try await archiver.save(result.id, as: result.names, to: $0) }
        } catch {
            // The image was kept only to be written; its layers belong to the build cache.
            if !wasKept { _ = try? await images.remove(result.id.description) }
            throw error
        }
        if !wasKept { _ = try await images.remove(result.id.description) }
    }

    /// Lends the file of a destination; one that has a path appears complete and durable, or not at all.
    private func write(to destination: ExportDestination, _ body: (OpenFile) async throws -> Void) async throws {
        switch destination {
        case .open(let file): try await body(file)
        case .file(let path):
            let temporary = FilePath(bytes: path.bytes + Array(".\(getpid()).partial".utf8))
            do {
                let file = try await onBlockingPool {
                    try OpenFile.open(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o666)
                }
                try await body(file)
                try await onBlockingPool {
                    try file.synchronize()
                    try HostFiles.rename(temporary, to: path)
                    let directory = path.removingLastComponent()
                    try HostFiles.synchronizeDirectory(directory.isEmpty ? "." : directory)
                }
            } catch let error as SystemCallError {
                await onBlockingPool { try? removeTree(temporary) }
                throw BuildError.exportRefused(path: path, reason: SystemCallError.text(of: error.errno))
            } catch {
                await onBlockingPool { try? removeTree(temporary) }
                throw error
            }
        }
    }
}
