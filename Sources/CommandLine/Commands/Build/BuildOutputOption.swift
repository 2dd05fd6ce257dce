internal import BuildEngine
internal import BuildKitService
internal import Exporters
internal import LinuxSystem
internal import Manual
internal import OCI
internal import SystemPackage
internal import Terminal
internal import Text

/// One `--output`.
struct BuildOutputOption: Sendable {
    enum Kind: String, Sendable, CaseIterable { case image, registry, local, tar, oci, docker, cacheonly, none }

    var kind: Kind
    /// Nil where nothing is said; `-` is standard output.
    var destination: [UInt8]?
    /// What was said of it besides its type and where it goes, as a daemon takes it.
    private(set) var attributes: [String: String] = [:]
    /// Of kinds that are images.
    var image = ImageOptions()
    /// Of kinds that are files.
    var files = FileOptions()
    /// Whether a layout is an archive rather than a directory.
    var isArchive = true

    init(_ kind: Kind) { self.kind = kind }

    /// Parses `type=…,dest=…`, a directory, or `-` for an archive on standard output, as buildx does.
    init(parsing bytes: [UInt8]) throws(FlagValueError) {
        let fields = try FlagValues.commaSeparated(bytes)
        if fields.count == 1, fields[0] == bytes, !bytes.starts(with: "type=") {
            kind = bytes == "-" ? .tar : .local
            destination = bytes
            return
        }
        let pairs = try Self.pairs(fields)
        guard let type = pairs.last(where: { $0.key == "type" }), !type.value.isEmpty else {
            throw FlagValueError("type is required for output")
        }
        let name = try FlagValues.text(type.value)
        guard let kind = Kind(rawValue: name) else {
            throw FlagValueError(
                "the output type \"\(name)\" is not one of image, registry, local, tar, oci, docker and cacheonly"
            )
        }
        self.kind = kind
        for (key, value) in pairs where key != "type" { try set(key, to: value) }
        // As buildx has it: whatever `push` says.
        if kind == .registry { image.isPushed = true }
        try finish()
    }

    private static func pairs(_ fields: [[UInt8]]) throws(FlagValueError) -> [(key: String, value: [UInt8])] {
        var pairs: [(key: String, value: [UInt8])] = []
        for field in fields {
            guard let equals = field.firstIndex(of: "=") else {
                throw FlagValueError("invalid value \(escapedForDisplay(field))")
            }
            let key = try FlagValues.text(Array(field[..<equals])).trimmed.lowercased()
            pairs.append((key, Array(field[(equals + 1)...])))
        }
        return pairs
    }

    private mutating func set(_ key: String, to value: [UInt8]) throws(FlagValueError) {
        let text = try FlagValues.text(value)
        do throws(ExportError) {
            switch (kind, key) {
            case (.local, "dest"), (.tar, "dest"), (.oci, "dest"), (.docker, "dest"): destination = value
            case (.oci, "tar"), (.docker, "tar"): isArchive = try Self.isArchive(text)
            // The docker that an image is loaded into: there is the local store only.
            case (.docker, "context") where ["", "default"].contains(text): break
            case (.image, _): try image.set(key, to: text, of: .image)
            case (.registry, _): try image.set(key, to: text, of: .registry)
            case (.oci, _): try image.set(key, to: text, of: .oci)
            case (.docker, _): try image.set(key, to: text, of: .docker)
            case (.local, _): try files.set(key, to: text, of: .local)
            case (.tar, _): try files.set(key, to: text, of: .tar)
            case (.cacheonly, _), (.none, _): throw .unsupported(option: key, output: kind.rawValue)
            }
            if !["dest", "tar", "context"].contains(key) { attributes[key] = text }
        } catch {
            throw FlagValueError("\(error)")
        }
    }

    private static func isArchive(_ text: String) throws(ExportError) -> Bool {
        if text.isEmpty { return true }
        guard let value = try? FlagValues.boolean(Array(text.utf8)) else {
            throw .notBoolean(option: "tar", value: text)
        }
        return value
    }

    /// What can be told only when all fields are known.
    private mutating func finish() throws(FlagValueError) {
        do throws(ExportError) {
            try image.checkLevel()
            try image.check()
        } catch {
            throw FlagValueError("\(error)")
        }
        for name in image.names { _ = try ImageReference(flag: Array(name.utf8)) }
        if kind == .local || !isArchive {
            if destination?.isEmpty ?? true { throw FlagValueError("dest is required for \(kind.rawValue) exporter") }
            if destination?.elementsEqual("-".utf8) == true {
                throw FlagValueError("dest cannot be stdout for \(kind.rawValue) exporter")
            }
        } else if destination?.isEmpty ?? true {
            destination = kind == .tar || kind == .oci ? "-" : nil
        }
    }

    /// Whether it is an image, so that `--push` and `--annotation` mean it.
    var isImage: Bool {
        switch kind {
        case .image, .registry, .oci, .docker: true
        case .local, .tar, .cacheonly, .none: false
        }
    }

    var goesToStandardOutput: Bool {
        switch kind {
        case .tar, .oci, .docker: destination?.elementsEqual("-".utf8) ?? false
        case .image, .registry, .local, .cacheonly, .none: false
        }
    }

    /// What the engine is asked for; nil for nothing.
    func export(_ environment: SlipwayEnvironment) async throws -> Export? {
        switch kind {
        case .image, .registry: return .image(image)
        case .local: return .directory(try await directory(environment), files)
        case .tar: return .tar(try await target(environment), files)
        case .oci: return .layout(try await layout(environment), .oci, image)
        case .docker where destination == nil: return .image(image)
        case .docker: return .layout(try await layout(environment), .docker, image)
        case .cacheonly, .none: return nil
        }
    }

    func layout(_ environment: SlipwayEnvironment) async throws -> LayoutDestination {
        isArchive
            ? .archive(try await target(environment)) : .directory(try await directory(environment))
    }

    func target(_ environment: SlipwayEnvironment) async throws -> ExportDestination {
        guard let destination, !goesToStandardOutput else {
            if environment.output.isTerminal {
                throw failedBuild(
                    "dest file is required for \(kind.rawValue) exporter. refusing to write to console"
                )
            }
            return .open(try StandardStream.output.duplicate())
        }
        let path = environment.path(destination)
        if try await onBlockingPool({ try HostFiles.status(of: path)?.type }) == .directory {
            throw failedBuild("destination file \(escapedForDisplay(destination)) is a directory")
        }
        return .file(path)
    }

    func directory(_ environment: SlipwayEnvironment) async throws -> FilePath {
        let path = environment.path(destination ?? [])
        let type = try await onBlockingPool { try HostFiles.status(of: path)?.type }
        guard type == nil || type == .directory else {
            throw failedBuild("destination directory \(escapedForDisplay(destination ?? [])) is a file")
        }
        return path
    }
}

extension BuildCommand {
    /// What becomes of the result: what `--output` says, and what `--push`, `--load` and `--annotation` add to it.
    func exports(_ environment: SlipwayEnvironment) async throws -> [Export] {
        var options = try await outputOptions(environment)
        // Without `--output` the image is kept, as it is by docker's own builder, unless only the cache is to have it.
        if options.isEmpty, !environment.isTrue(.noDefaultLoad) { options.append(BuildOutputOption(.docker)) }
        for index in options.indices where options[index].isImage {
            options[index].image.annotations += annotations
        }
        var exports: [Export] = []
        for option in options { if let export = try await option.export(environment) { exports.append(export) } }
        return exports
    }

    /// What `--output` says, and what `--push` and `--load` add to it; none where nothing is said.
    func outputOptions(_ environment: SlipwayEnvironment) async throws -> [BuildOutputOption] {
        guard outputs.count(where: \.goesToStandardOutput) <= 1 else {
            throw failedBuild("multiple outputs configured to write to stdout; give the others a dest")
        }
        if imageIDFile != nil, outputs.contains(where: { $0.kind == .local || $0.kind == .tar }) {
            throw failedBuild("local and tar exporters are incompatible with image ID file")
        }
        var options = outputs
        let isPushable: (BuildOutputOption) -> Bool = { $0.kind == .image || $0.kind == .registry }
        if pushes {
            for index in options.indices where isPushable(options[index]) { options[index].image.isPushed = true }
            if !options.contains(where: isPushable) {
                var pushed = BuildOutputOption(.registry)
                pushed.image.isPushed = true
                options.append(pushed)
            }
        }
        let keepsImage = options.contains {
            (isPushable($0) && $0.image.isStored && !$0.image.isPushed) || ($0.kind == .docker && $0.destination == nil)
        }
        if loads && !keepsImage { options.append(BuildOutputOption(.docker)) }
        for option in options where option.files.deletesOthers { try await checkDeletion(option, environment) }
        return options
    }

    /// Refuses to delete what is not below the working directory, unless that is allowed.
    private func checkDeletion(_ option: BuildOutputOption, _ environment: SlipwayEnvironment) async throws {
        guard !allowances.contains(.entitlement(.localDelete)), let destination = option.destination else { return }
        let isSafe = try await onBlockingPool {
            let working = try HostFiles.resolved(environment.workingDirectory)
            let target = try HostFiles.resolved(environment.path(destination))
            return target != working && target.starts(with: working)
        }
        guard isSafe else {
            throw failedBuild(
                "local output mode=delete for destination \"\(escapedForDisplay(destination))\" requires --allow=\(Entitlement.localDelete.rawValue)"
            )
        }
    }
}

extension ImageReference {
    /// Reads an image's name from a flag.
    init(flag bytes: [UInt8]) throws(FlagValueError) {
        let text = try FlagValues.text(bytes)
        do throws(OCIError) { try self.init(parsing: text) } catch { throw FlagValueError("\(error)") }
    }
}
