package import Archive
package import ClientServices
package import LinuxSystem
package import OCI
package import SystemPackage

/// What becomes of the result.
package enum Export: Sendable {
    /// An image in the local store, in registries, or in both.
    case image(ImageOptions = ImageOptions())
    /// The files of the result in a directory (`type=local`).
    case directory(FilePath, FileOptions = FileOptions())
    /// The files of the result for a client that takes them from an open directory (`type=local`).
    ///
    /// What takes them tells the sum of each file that it has read.
    case files(
        @Sendable (RootedDirectory, _ whenRead: @escaping FileComparison) async throws -> Void,
        FileOptions = FileOptions()
    )
    /// The files of the result as one archive (`type=tar`).
    case tar(ExportDestination, FileOptions = FileOptions())
    /// The image as an OCI layout, with or without docker's list of images (`type=oci`, `type=docker`).
    case layout(LayoutDestination, LayoutKind, ImageOptions = ImageOptions())

    /// What is asked of the image; nil where files are wanted.
    package var imageOptions: ImageOptions? {
        switch self {
        case .image(let options), .layout(_, _, let options): options
        case .directory, .files, .tar: nil
        }
    }

    /// The same with what a frontend says of the image.
    /// - Parameters:
    ///   - annotations: replace those that the output itself has under the same keys.
    ///   - name: is the image's name where the output asks for the frontend's, which is written as `*`.
    /// - Returns: the output.
    package func described(by annotations: [ImageAnnotation], name: String?) -> Export {
        func described(_ options: ImageOptions) -> ImageOptions {
            var options = options
            options.annotations += annotations
            if let name, options.names == ["*"] { options.names = name.split(separator: ",").map(String.init) }
            return options
        }
        switch self {
        case .image(let options): return .image(described(options))
        case .layout(let destination, let kind, let options): return .layout(destination, kind, described(options))
        case .directory, .files, .tar: return self
        }
    }

    /// What a build's progress calls it.
    package var title: String {
        switch self {
        case .image: "exporting to image"
        case .directory, .files: "exporting to client directory"
        case .tar: "exporting to client tarball"
        case .layout(_, .oci, _): "exporting to oci image format"
        case .layout(_, .docker, _): "exporting to docker image format"
        }
    }
}

/// Who is to read the layout of an image.
package enum LayoutKind: Sendable { case oci, docker }

/// Where the layout of an image goes.
package enum LayoutDestination: Sendable {
    case archive(ExportDestination)
    /// Written whole, or updated where it is there.
    case directory(FilePath)
    /// Without an index: the client writes down itself what its names lead to.
    case content(any ContentStore)
}

/// Where an exported archive goes.
package enum ExportDestination: Sendable {
    /// Written aside and moved into place when it is complete.
    case file(FilePath)
    /// An open file, as standard output.
    case open(OpenFile)
    /// Something that reads it from a pipe to its end, unless it does not want it. It is told of the image in the
    /// archive.
    case stream(@Sendable (OpenFile, ExportedImage?) async throws -> ExportReception)
}

/// What became of an archive that was offered.
package enum ExportReception: Sendable {
    case complete
    /// The other end has it already, or never wanted it.
    case unwanted
}

/// The image of a build, and where it went.
package struct ExportedImage: Sendable {
    /// The digest of its configuration, or of the index of an image of several platforms.
    package let id: Digest
    /// Nil for an index, which has no one configuration.
    package let configuration: Digest?
    /// Its manifest or index; nil where it is kept without one.
    package let descriptor: Descriptor?
    /// The names that it got.
    package var names: [ImageReference] = []

    package init(id: Digest, configuration: Digest?, descriptor: Descriptor?, names: [ImageReference] = []) {
        self.id = id
        self.configuration = configuration
        self.descriptor = descriptor
        self.names = names
    }
}
