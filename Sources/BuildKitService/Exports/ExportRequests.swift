import Archive
import BuildKitProto
import ClientServices
import Exporters
import LinuxSystem
import OCI

/// Where what is exported to the client goes, one stream for each output.
protocol ClientSink: Sendable {
    /// Sends the bytes of an archive, read to its end, as an output of a number.
    /// - Parameters:
    ///   - archive: the archive.
    ///   - image: the image in it; nil for files.
    ///   - output: the number of the output.
    /// - Returns: whether the client wanted it.
    /// - Throws: what the client answers.
    func send(archive: OpenFile, of image: ExportedImage?, output: Int) async throws -> ExportReception
    /// Sends the files below a directory, as an output of a number.
    func send(
        files: RootedDirectory,
        whenRead: @escaping FileComparison,
        output: Int
    ) async throws
    /// A store of blobs that the client keeps.
    func content(_ name: String) throws -> any ContentStore
}

extension Export {
    /// What a client's request calls an output; nil for one that keeps nothing.
    /// - Parameters:
    ///   - message: the output.
    ///   - number: its number in the request.
    ///   - sink: takes what goes to the client.
    /// - Throws: `ServiceError` for an output that is not known, `ExportError` for attributes that are wrong.
    init?(_ message: Moby_Buildkit_V1_Exporter, number: Int, sink: (any ClientSink)?) throws {
        func client() throws -> any ClientSink {
            guard let sink else { throw ServiceError.exportNeedsSession(message.type) }
            return sink
        }
        switch message.type {
        case "image":
            var options = try Self.options(message, .image)
            options.needsManifest = true
            self = .image(options)
        // What Docker's engine calls its own images. It passes over every attribute but the name.
        case "moby":
            var options = ImageOptions()
            if let names = message.attrs["name"] { try options.set("name", to: names, of: .image) }
            self = .image(options)
        case "oci", "docker":
            let kind = message.type == "oci" ? ImageOptions.Kind.oci : .docker
            let options = try Self.options(message, kind)
            self = .layout(
                try Self.destination(message, number, client()),
                kind == .oci ? .oci : .docker,
                options
            )
        case "tar":
            let sink = try client()
            let destination = ExportDestination.stream { try await sink.send(archive: $0, of: $1, output: number) }
            self = .tar(destination, try Self.files(message, .tar))
        case "local":
            let sink = try client()
            self = .files(
                { try await sink.send(files: $0, whenRead: $1, output: number) },
                try Self.files(message, .local)
            )
        case "cacheonly", "": return nil
        default: throw ServiceError.unknownExporter(message.type)
        }
    }

    /// Where a layout goes: as an archive, or blob by blob.
    private static func destination(
        _ message: Moby_Buildkit_V1_Exporter,
        _ number: Int,
        _ sink: any ClientSink
    ) throws -> LayoutDestination {
        if let text = message.attrs["tar"], !text.isEmpty {
            guard let isArchive = FrontendAttributes.truth(text) else {
                throw ExportError.notBoolean(option: "tar", value: text)
            }
            // What BuildKit's clients call the store, whichever output it is for.
            if !isArchive { return .content(try sink.content("export")) }
        }
        return .archive(.stream { try await sink.send(archive: $0, of: $1, output: number) })
    }

    private static func options(_ message: Moby_Buildkit_V1_Exporter, _ kind: ImageOptions.Kind) throws -> ImageOptions
    {
        var options = ImageOptions()
        var metadata: [String: [UInt8]] = [:]
        for (key, value) in message.attrs.sorted(by: { $0.key < $1.key }) where key != "tar" {
            do throws(ExportError) { try options.set(key, to: value, of: kind) } catch {
                guard case .unsupported = error else { throw error }
                metadata[key] = Array(value.utf8)
            }
        }
        // As BuildKit does: what is none of an output's options replaces what the frontend says of the image.
        options.configurations = try FrontendResult(references: .one(nil), metadata: metadata).configurations()
        try options.checkLevel()
        try options.check()
        return options
    }

    private static func files(_ message: Moby_Buildkit_V1_Exporter, _ kind: FileOptions.Kind) throws -> FileOptions {
        var options = FileOptions()
        for (key, value) in message.attrs.sorted(by: { $0.key < $1.key }) {
            // Files have nothing of which others could say something.
            do throws(ExportError) { try options.set(key, to: value, of: kind) } catch {
                guard case .unsupported = error else { throw error }
            }
        }
        return options
    }
}
