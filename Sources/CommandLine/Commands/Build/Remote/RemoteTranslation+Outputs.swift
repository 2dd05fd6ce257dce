internal import BuildEngine
internal import BuildKitClient
internal import Exporters
internal import LinuxSystem
internal import Manual
internal import OCI
internal import RemoteCache
internal import SystemPackage
internal import Terminal
internal import Text

/// What becomes of the result.
extension RemoteTranslation {
    /// Adds the outputs of the build.
    /// - Parameters:
    ///   - options: what `--output` and its short forms say.
    ///   - command: says what goes for all of them.
    ///   - isSlipway: whether the daemon keeps images, so that one which goes nowhere else is kept there.
    /// - Throws: `CommandFailure` for an output that cannot be.
    mutating func addOutputs(_ options: [BuildOutputOption], of command: BuildCommand, isSlipway: Bool) async throws {
        var options = options
        if options.isEmpty, isSlipway, !environment.isTrue(.noDefaultLoad) { options = [BuildOutputOption(.docker)] }
        for option in options {
            guard var output = try await output(option, isSlipway: isSlipway) else { continue }
            if option.isImage {
                if !request.names.isEmpty {
                    output.attributes["name"] = request.names.map(\.description).joined(separator: ",")
                }
                for annotation in command.annotations { output.attributes[annotation.attribute] = annotation.value }
            }
            build.outputs.append(output)
        }
    }

    private func output(_ option: BuildOutputOption, isSlipway: Bool) async throws -> RemoteOutput? {
        var attributes = option.attributes
        switch option.kind {
        case .cacheonly, .none: return nil
        case .docker where option.destination == nil:
            guard isSlipway else {
                throw failedBuild(
                    "this daemon keeps no images: give --output type=docker a dest, and load the file with slipway load"
                )
            }
            return RemoteOutput(type: "image", attributes: attributes)
        case .image, .registry:
            if option.image.isPushed { attributes["push"] = "true" }
            return RemoteOutput(type: "image", attributes: attributes)
        case .local:
            let path = try await option.directory(environment)
            return RemoteOutput(
                type: "local",
                attributes: attributes,
                destination: .directory(path, deletesOthers: option.files.deletesOthers)
            )
        case .tar:
            let target = try await option.target(environment)
            return RemoteOutput(type: "tar", attributes: attributes, destination: try Self.destination(target))
        case .oci, .docker:
            guard option.isArchive else {
                attributes["tar"] = "false"
                let path = try await option.directory(environment)
                return RemoteOutput(type: option.kind.rawValue, attributes: attributes, destination: .layout(path))
            }
            let target = try await option.target(environment)
            return RemoteOutput(
                type: option.kind.rawValue,
                attributes: attributes,
                destination: try Self.destination(target)
            )
        }
    }

    private static func destination(_ destination: ExportDestination) throws -> RemoteOutput.Destination {
        switch destination {
        case .file(let path): .file(path)
        case .open(let file): .open(file)
        case .stream: preconditionFailure("no command line has such an output")
        }
    }

    // MARK: Caches

    mutating func addCaches(_ options: RemoteCacheOptions) async throws {
        for source in options.sources {
            if let entry = try await readable(source) { build.cacheSources.append(entry) }
        }
        for destination in options.destinations {
            build.cacheDestinations.append(destination)
            guard destination.type == "local" else { continue }
            guard let path = destination.attributes["dest"], !path.isEmpty else {
                throw CacheOption.failure("local cache exporter requires dest")
            }
            build.stores["local:\(path)"] = FilePath(path)
        }
        if request.hasTrueArgument("BUILDKIT_INLINE_CACHE"),
            !build.cacheDestinations.contains(where: { $0.type == "inline" })
        {
            build.cacheDestinations.append(RemoteCacheEntry(type: "inline", attributes: [:]))
        }
    }
}

extension RemoteTranslation {
    /// A cache as it can be read; nil, after a warning, for a directory that holds none yet.
    private mutating func readable(_ source: RemoteCacheEntry) async throws -> RemoteCacheEntry? {
        guard source.type == "local" else { return source }
        guard let path = source.attributes["src"], !path.isEmpty else {
            throw CacheOption.failure("local cache importer requires src")
        }
        var entry = source
        let directory = ContentDirectory(FilePath(path))
        if source.attributes["digest"] == nil {
            let tag = source.attributes["tag"] ?? "latest"
            guard let digest = try await onBlockingPool({ try directory.digest(ofTag: tag) }) else {
                try await environment.errorOutput.writeLine(
                    "WARNING: local cache import at \(safeText(path)) skipped: no digest found for tag \(safeText(tag))"
                )
                return nil
            }
            entry.attributes["digest"] = digest.description
        }
        build.stores["local:\(path)"] = directory.path
        return entry
    }
}

/// What the options say of caches, as a daemon takes it.
struct RemoteCacheOptions: Sendable {
    var sources: [RemoteCacheEntry] = []
    var destinations: [RemoteCacheEntry] = []
}

extension BuildCommand {
    /// What the options say of caches; each once.
    func remoteCaches(_ environment: SlipwayEnvironment) throws -> RemoteCacheOptions {
        var options = RemoteCacheOptions()
        for option in cacheSources {
            let entry = try option.remoteEntry(environment)
            if !options.sources.contains(entry) { options.sources.append(entry) }
        }
        for option in cacheDestinations {
            let entry = try option.remoteEntry(environment)
            if !options.destinations.contains(entry) { options.destinations.append(entry) }
        }
        return options
    }
}
