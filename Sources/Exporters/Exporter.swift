package import BuildGraph
package import Images
package import OCI
package import Snapshots
import Storage

/// What a build gave, and what its image is called.
package struct BuildOutcome: Sendable {
    /// One for each platform, in the order of the request.
    package let images: [BuiltImage]
    /// Whether the image is an index, also where it is of one platform.
    package let isMultiPlatform: Bool
    /// `-t`: the names of the image; where there are none, an output may have its own.
    package let names: [ImageReference]

    package init(images: [BuiltImage], isMultiPlatform: Bool, names: [ImageReference]) {
        self.images = images
        self.isMultiPlatform = isMultiPlatform
        self.names = names
    }

    /// Whether an output asks for times that nothing says.
    package func lacksTime(for export: Export) -> Bool {
        guard let options = export.imageOptions, options.rewritesTimes else { return false }
        return images.contains { $0.epoch(options.epoch) == nil }
    }
}

/// Takes what a build gave to where it is wanted: images, layouts, files.
package struct Exporter: Sendable {
    let outcome: BuildOutcome
    let remote: RemoteImages
    let snapshots: LeasedSnapshots
    /// The time now.
    let now: Timestamp

    var results: [BuiltImage] { outcome.images }
    var images: ImageStore { remote.images }
    var store: Store { snapshots.store }

    /// - Parameters:
    ///   - outcome: what was built.
    ///   - remote: the images of the store and of registries.
    ///   - snapshots: the layers, for the build that exports.
    ///   - now: the time of an image that nothing gives one.
    package init(_ outcome: BuildOutcome, to remote: RemoteImages, through snapshots: LeasedSnapshots, now: Timestamp) {
        self.outcome = outcome
        self.remote = remote
        self.snapshots = snapshots
        self.now = now
    }

    /// Does what one output asks for.
    /// - Returns: the image; nil where files are wanted.
    package func carryOut(_ export: Export, _ step: OperationContext) async throws -> ExportedImage? {
        switch export {
        case .image(let options): return try await exportImage(options, step)
        case .layout(let destination, let kind, let options):
            return try await exportLayout(to: destination, kind, options, step)
        case .directory(let path, let options): try await exportFiles(to: path, options, step)
        case .files(let take, let options): try await sendFiles(options, step, to: take)
        case .tar(let destination, let options): try await exportArchive(to: destination, options, step)
        }
        return nil
    }

    func isSplit(_ options: FileOptions) -> Bool { options.splitsPlatforms ?? outcome.isMultiPlatform }

    func names(for options: ImageOptions) throws(OCIError) -> [ImageReference] {
        try options.names(besides: outcome.names)
    }
}

extension Export {
    /// Refuses what cannot be done with a result, before it is made.
    /// - Parameters:
    ///   - platforms: what the build is for.
    ///   - isMultiPlatform: whether the image is an index.
    ///   - names: `-t`.
    /// - Throws: `ExportError`, `OCIError`.
    package func check(platforms: [Platform], isMultiPlatform: Bool, names: [ImageReference]) throws {
        if case .layout(_, .docker, _) = self, isMultiPlatform { throw ExportError.dockerArchiveOfSeveral }
        guard let options = imageOptions else { return }
        try options.check()
        try options.annotations.check(platforms: platforms, isIndex: isMultiPlatform, docker: options.isDocker)
        let names = try options.names(besides: names)
        guard case .image = self, options.isPushed else { return }
        if names.isEmpty, options.danglingPrefix == nil { throw ExportError.pushNeedsName }
        if options.isPushedByDigest, let tagged = names.first(where: { $0.tag != nil || $0.digest != nil }) {
            throw ExportError.pushByDigestOfTag("\(tagged)")
        }
    }
}

extension ImageOptions {
    /// The names of the image of an output: those of `-t`, else its own.
    fileprivate func names(besides given: [ImageReference]) throws(OCIError) -> [ImageReference] {
        if !given.isEmpty { return given }
        return try names.map { name throws(OCIError) in try ImageReference(parsing: name) }
    }
}
