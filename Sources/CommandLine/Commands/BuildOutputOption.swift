internal import BuildEngine
internal import LinuxSystem
internal import OCI
internal import SystemPackage

/// One `--output`.
struct BuildOutputOption: Sendable {
    enum Kind: String, Sendable, CaseIterable { case image, registry, local, tar, oci, docker, cacheonly }

    var kind: Kind
    /// Nil where the kind needs none; `-` is standard output.
    var destination: [UInt8]?
    /// More names for the image.
    var names: [ImageReference] = []
    /// Whether the image goes to its registries.
    var isPushed = false
    /// Whether each platform's files go into a directory of their own; nil where nothing is said.
    var splitsPlatforms: Bool?

    /// Parses `type=…,dest=…`, a directory, or `-` for an archive on standard output.
    init(parsing bytes: [UInt8]) throws(FlagValueError) {
        if bytes.elementsEqual("-".utf8) {
            (kind, destination) = (.tar, bytes)
            return
        }
        guard bytes.contains(UInt8(ascii: "=")) else {
            (kind, destination) = (.local, bytes)
            return
        }
        let fields = try FlagValues.fields(bytes)
        guard let type = fields.last(where: { $0.key == "type" }) else {
            throw FlagValueError("type is required for output")
        }
        let name = try FlagValues.text(type.value ?? [])
        guard let kind = Kind(rawValue: name) else {
            throw FlagValueError(
                "the output type \"\(name)\" is none of image, registry, local, tar, oci, docker and cacheonly"
            )
        }
        self.kind = kind
        isPushed = kind == .registry
        for (key, value) in fields where key != "type" { try set(key, to: value) }
        switch kind {
        case .local where destination == nil, .tar where destination == nil, .oci where destination == nil:
            throw FlagValueError("dest is required for \(kind.rawValue) output")
        default: break
        }
    }

    private mutating func set(_ key: String, to value: [UInt8]?) throws(FlagValueError) {
        let isImage = [.image, .registry, .oci, .docker].contains(kind)
        switch key {
        case "dest" where kind != .image && kind != .registry && kind != .cacheonly: destination = value
        case "name" where isImage:
            for name in (value ?? []).split(separator: UInt8(ascii: ",")) {
                names.append(try ImageReference(flag: Array(name)))
            }
        case "push" where kind == .image || kind == .registry: isPushed = try FlagValues.boolean(value ?? [])
        case "platform-split" where kind == .local || kind == .tar:
            splitsPlatforms = try FlagValues.boolean(value ?? [])
        // Layers in the local store are always unpacked, and media types always OCI's.
        case "unpack" where isImage, "store" where isImage: _ = try FlagValues.boolean(value ?? [])
        case "oci-mediatypes" where isImage, "tar" where kind == .oci || kind == .docker:
            guard try FlagValues.boolean(value ?? []) else { throw Self.unsupported("\(key)=false") }
        default: throw Self.unsupported(key)
        }
    }

    private static func unsupported(_ option: String) -> FlagValueError {
        FlagValueError("the output option \"\(option)\" is not supported by this version of Slipway")
    }

    var goesToStandardOutput: Bool {
        switch kind {
        case .tar, .oci, .docker: destination?.elementsEqual("-".utf8) ?? false
        case .image, .registry, .local, .cacheonly: false
        }
    }

    /// What the engine is asked for; nil for nothing.
    func export(_ environment: SlipwayEnvironment) throws -> Export? {
        switch kind {
        case .image, .registry: return isPushed ? .registry : .image
        case .local: return .directory(environment.path(destination ?? []), split: splitsPlatforms)
        case .tar: return .tar(try target(environment), split: splitsPlatforms)
        case .oci: return .ociArchive(try target(environment))
        case .docker: return destination == nil ? .image : .dockerArchive(try target(environment))
        case .cacheonly: return nil
        }
    }

    private func target(_ environment: SlipwayEnvironment) throws -> ExportDestination {
        guard let destination, !goesToStandardOutput else {
            if environment.output.isTerminal { throw CommandError.outputIsTerminal }
            return .open(try StandardStream.output.duplicate())
        }
        return .file(environment.path(destination))
    }
}

extension BuildCommand {
    /// What becomes of the result: what `--output` says, and what `--push` and `--load` add to it.
    func exports(_ environment: SlipwayEnvironment) throws -> [Export] {
        guard outputs.count(where: \.goesToStandardOutput) <= 1 else {
            throw CommandFailure(
                "ERROR: failed to build: only one output can go to standard output; give the others a dest"
            )
        }
        var options = outputs
        let isImage: (BuildOutputOption) -> Bool = { $0.kind == .image || $0.kind == .registry }
        if pushes {
            for index in options.indices where isImage(options[index]) { options[index].isPushed = true }
        }
        var exports = try options.compactMap { try $0.export(environment) }
        if pushes, !options.contains(where: isImage) { exports.append(.registry) }
        let keepsImage = exports.contains { if case .image = $0 { true } else { false } }
        // Without `--output` the image is kept, as it is by docker's own builder.
        if (loads || (outputs.isEmpty && !pushes)) && !keepsImage { exports.append(.image) }
        return exports
    }
}

extension ImageReference {
    /// Reads an image's name from a flag.
    init(flag bytes: [UInt8]) throws(FlagValueError) {
        let text = try FlagValues.text(bytes)
        do throws(OCIError) { try self.init(parsing: text) } catch { throw FlagValueError("\(error)") }
    }
}
