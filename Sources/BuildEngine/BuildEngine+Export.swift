import BuildGraph
import Exporters
import OCI

extension Export {
    /// What is asked of the image; nil where files are wanted.
    var imageOptions: ImageOptions? {
        switch self {
        case .image(let options), .layout(_, _, let options): options
        case .directory, .tar: nil
        }
    }

    fileprivate var title: String {
        switch self {
        case .image: "image"
        case .directory: "client directory"
        case .tar: "client tarball"
        case .layout(_, .oci, _): "oci image format"
        case .layout(_, .docker, _): "docker image format"
        }
    }
}

extension BuildEngine {
    /// Refuses what cannot be done with a result, before it is made.
    func checkExports(of request: BuildRequest) throws {
        let platforms = request.platforms.isEmpty ? [Platform.current.normalized] : request.platforms.map(\.normalized)
        for export in request.exports {
            if case .layout(_, .docker, _) = export, request.isMultiPlatform { throw BuildError.dockerArchiveOfSeveral }
            guard let options = export.imageOptions else { continue }
            try options.check()
            try options.annotations.check(
                platforms: platforms,
                isIndex: request.isMultiPlatform,
                docker: options.isDocker
            )
            let names = try request.names(for: options)
            guard case .image = export, options.isPushed else { continue }
            if names.isEmpty, options.danglingPrefix == nil { throw BuildError.pushNeedsName }
            if options.isPushedByDigest, let tagged = names.first(where: { $0.tag != nil || $0.digest != nil }) {
                throw BuildError.pushByDigestOfTag("\(tagged)")
            }
        }
    }

    /// Does with a result what the request asks for.
    /// - Returns: the image of the first output that made one; nil where none did.
    func export(
        _ images: [BuiltImage],
        _ request: BuildRequest,
        _ progress: BuildSteps
    ) async throws -> ExportedImage? {
        warnOfMissingTimes(images, request, progress)
        var exported: ExportedImage?
        for (number, export) in request.exports.enumerated() {
            let image = try await progress.step("exporting to \(export.title)", number: number) { step in
                try await carryOut(export, images, request, step)
            }
            exported = exported ?? image
        }
        return exported
    }

    private func carryOut(
        _ export: Export,
        _ images: [BuiltImage],
        _ request: BuildRequest,
        _ step: OperationContext
    ) async throws -> ExportedImage? {
        switch export {
        case .image(let options): return try await exportImage(images, options, request, step)
        case .layout(let destination, let kind, let options):
            return try await exportLayout(images, to: destination, kind, options, request, step)
        case .directory(let path, let options):
            try await exportFiles(of: images, to: path, options, isSplit(options, request), step)
        case .tar(let destination, let options):
            try await exportArchive(of: images, to: destination, options, isSplit(options, request), step)
        }
        return nil
    }

    private func isSplit(_ options: FileOptions, _ request: BuildRequest) -> Bool {
        options.splitsPlatforms ?? request.isMultiPlatform
    }

    private func warnOfMissingTimes(_ images: [BuiltImage], _ request: BuildRequest, _ progress: BuildSteps) {
        let isMissing = request.exports.contains { export in
            guard let options = export.imageOptions, options.rewritesTimes else { return false }
            return images.contains { $0.epoch(options.epoch) == nil }
        }
        guard isMissing else { return }
        let text = "rewrite-timestamp is specified, but no source-date-epoch was found"
        progress.channel.post(.warning(VertexWarning(vertex: nil, short: text)))
    }
}

extension BuildRequest {
    /// The names of the image of an output: those of `-t`, else its own.
    func names(for options: ImageOptions) throws(OCIError) -> [ImageReference] {
        if !names.isEmpty { return names }
        return try options.names.map { name throws(OCIError) in try ImageReference(parsing: name) }
    }
}
