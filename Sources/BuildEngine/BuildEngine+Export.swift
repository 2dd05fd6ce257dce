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
    let id: Digest
    let names: [ImageReference]
    let pushed: [PushedImage]
}

extension Export {
    fileprivate var isPush: Bool { if case .registry = self { true } else { false } }
}

extension BuildEngine {
    /// Makes the image of a result and does with it what the request asks for.
    func export(_ tree: FileTree, of plan: BuildPlan, _ request: BuildRequest, _ progress: BuildSteps) async throws
        -> ExportedImage
    {
        if request.exports.contains(where: \.isPush), request.names.isEmpty { throw BuildError.pushNeedsName }
        return try await progress.step("exporting to \(Self.title(of: request.exports))") { step in
            let configuration = try await step.withStatus("exporting layers") { _ in
                try await finishedConfiguration(of: plan, tree)
            }
            let bytes = try StrictJSON.encode(configuration)
            let result = Result(
                id: Digest.sha256(of: bytes),
                tree: tree,
                image: NewImage(configuration: bytes, layers: tree.layers),
                names: request.names.map(\.withDefaultTag)
            )
            var pushed: [PushedImage] = []
            for export in request.exports { pushed += try await carryOut(export, result, step) }
            return ExportedImage(id: result.id, names: result.names, pushed: pushed)
        }
    }

    private struct Result: Sendable {
        let id: Digest
        let tree: FileTree
        let image: NewImage
        let names: [ImageReference]
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

    private func finishedConfiguration(of plan: BuildPlan, _ tree: FileTree) async throws -> ImageConfiguration {
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
        return ImageAssembly.finish(
            plan.configuration,
            layers: layers.sorted { $0.index < $1.index }.map(\.layer),
            now: FileTime(seconds: now().nanoseconds / 1_000_000_000).rfc3339
        )
    }

    private func carryOut(_ export: Export, _ result: Result, _ step: OperationContext) async throws -> [PushedImage] {
        switch export {
        case .image: try await keep(result, step)
        case .registry:
            // A push is of a local image, which the name that is pushed leads to.
            try await keep(result, step)
            return try await push(result.names, step)
        case .directory(let path):
            try await step.withStatus("copying files") { _ in
                try await snapshots.withMounted(result.tree) { root in
                    try await onBlockingPool {
                        var export = try DirectoryExport(source: RootedDirectory(root), destination: path)
                        try export.run()
                    }
                }
            }
        case .tar(let destination):
            try await step.withStatus("sending tarball") { _ in
                try await snapshots.withMounted(result.tree) { root in
                    try await write(to: destination) { file in
                        try await onBlockingPool { try writeTreeArchive(RootedDirectory(root), to: FileSink(file)) }
                    }
                }
            }
        case .ociArchive(let destination), .dockerArchive(let destination):
            try await step.withStatus("sending tarball") { _ in
                try await writeImageArchive(of: result, to: destination)
            }
        }
        return []
    }

    private func keep(_ result: Result, _ step: OperationContext) async throws {
        var image = result.image
        image.names = result.names
        try await step.withStatus("writing image \(result.id)") { [image] _ in _ = try await images.add(image) }
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
    private func writeImageArchive(of result: Result, to destination: ExportDestination) async throws {
        let wasKept = try await images.image(id: result.id) != nil
        _ = try await images.add(result.image)
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
