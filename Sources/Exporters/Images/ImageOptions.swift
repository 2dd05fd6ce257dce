package import Archive
package import LinuxSystem
package import OCI

/// How an image is exported: the attributes of outputs of type `image`, `registry`, `oci` and `docker`.
///
/// They are read as BuildKit reads them, with its words for what is wrong; what BuildKit passes over is refused.
package struct ImageOptions: Sendable, Hashable {
    /// Where the image goes.
    package enum Kind: String, Sendable { case image, registry, oci, docker }

    /// As they are written; the flag `-t` goes before them.
    package var names: [String] = []
    /// Of layers that are made here, and with `forcesCompression` of all; nil where nothing is said.
    package var compression: Compression?
    package var forcesCompression = false
    /// Whether documents have OCI's media types; nil where nothing is said.
    package var usesOCITypes: Bool?
    /// Whether attestations are OCI artifacts; nil where nothing is said.
    package var usesOCIArtifact: Bool?
    /// Whether attestations go into the image that are for images only which are kept or pushed; nil where nothing is
    /// said.
    package var takesInlineAttestations: Bool?
    /// Whether layers that must not be distributed stay so; images that have such are not taken in.
    package var prefersForeignLayers = false
    /// What time nothing may be later than; nil for what the build says.
    package var epoch: ExportEpoch?
    /// Whether that goes for the files of layers, too.
    package var rewritesTimes = false
    package var annotations: [ImageAnnotation] = []
    /// Take the place of what the build says of its images; the one under nil is for platforms that have none.
    package var configurations: [Platform?: ImageConfiguration] = [:]

    // Of images that are kept or pushed only.
    package var isPushed = false
    package var isPushedByDigest = false
    /// Whether the registry may be spoken to without TLS, or with a certificate of an unknown authority.
    package var allowsInsecureRegistry = false
    /// Whether the layers are unpacked at once; nil where nothing is said.
    package var unpacks: Bool?
    package var isStored = true
    /// Whether the image has a manifest from the beginning: who exports it is told of that.
    package var needsManifest = false
    /// The repository of a name by digest that the image gets.
    package var danglingPrefix: String?
    /// Whether it gets that name only where it has no other.
    package var danglesOnlyWithoutName = false
    /// Whether each name is there by digest, too.
    package var namesByDigest = false

    package init() {}

    /// Whether documents have Docker's media types.
    package var isDocker: Bool { usesOCITypes == false }

    /// Whether the image can be kept as every image is, without documents of its own.
    package var isPlain: Bool {
        compression == nil && !forcesCompression && !isDocker && !rewritesTimes && annotations.isEmpty
            && !namesByDigest && danglingPrefix == nil && !isPushed && !needsManifest && configurations.isEmpty
    }

    /// Refuses what does not go together.
    /// - Throws: `ExportError.conflict`.
    package func check() throws(ExportError) {
        if isDocker {
            let types = "oci-mediatypes=false"
            if compression?.format == .estargz { throw .conflict(option: "compression=estargz", other: types) }
            if usesOCIArtifact == true { throw .conflict(option: "oci-artifact=true", other: types) }
        }
        if rewritesTimes, unpacks == true { throw .conflict(option: "rewrite-timestamp", other: "unpack") }
    }
}

/// The time that an output says nothing may be later than.
package enum ExportEpoch: Sendable, Hashable {
    /// No such time, whatever the build says.
    case none
    case time(FileTime)

    /// Reads the value of `source-date-epoch`.
    init(_ option: String, _ value: String) throws(ExportError) {
        if value.isEmpty {
            self = .none
        } else if let seconds = Int64(value) {
            self = .time(FileTime(seconds: seconds))
        } else {
            throw .invalidTime(option: option, value: value)
        }
    }
}

extension ImageOptions {
    /// Takes one attribute.
    /// - Parameters:
    ///   - option: its name, in lower case.
    ///   - value: its value.
    ///   - kind: the type of the output.
    /// - Throws: `ExportError`.
    package mutating func set(_ option: String, to value: String, of kind: Kind) throws(ExportError) {
        if let annotation = try ImageAnnotation(attribute: option, value: value) {
            annotations.append(annotation)
            return
        }
        switch option {
        case "name": names = value.split(separator: ",").map(String.init)
        case "compression": try setCompression(value)
        case "compression-level": try setLevel(value)
        case "force-compression": forcesCompression = try flag(option, value)
        case "oci-mediatypes": usesOCITypes = try truth(option, value)
        case "oci-artifact": usesOCIArtifact = try truth(option, value)
        case "prefer-nondist-layers": prefersForeignLayers = try truth(option, value)
        case "source-date-epoch": epoch = try ExportEpoch(option, value)
        case "rewrite-timestamp": rewritesTimes = try truth(option, value)
        case "attestation-inline": takesInlineAttestations = try truth(option, value)
        // BuildKit has not kept what they were about since 0.12, and passes over them.
        case "buildinfo", "buildinfo-attrs": break
        case "unpack": unpacks = try flag(option, value)
        case "store": isStored = try flag(option, value)
        case _ where kind == .image || kind == .registry: try setOfImage(option, value, kind)
        default: throw .unsupported(option: option, output: kind.rawValue)
        }
    }

    private mutating func setOfImage(_ option: String, _ value: String, _ kind: Kind) throws(ExportError) {
        switch option {
        case "push": isPushed = try flag(option, value)
        case "push-by-digest": isPushedByDigest = try flag(option, value)
        case "registry.insecure": allowsInsecureRegistry = try flag(option, value)
        case "dangling-name-prefix": danglingPrefix = value.isEmpty ? nil : value
        // BuildKit's own spelling.
        case "danging-name-empty-only": danglesOnlyWithoutName = try flag(option, value)
        case "name-canonical": namesByDigest = try flag(option, value)
        default: throw .unsupported(option: option, output: kind.rawValue)
        }
    }

    private mutating func setCompression(_ name: String) throws(ExportError) {
        let formats: [CompressionFormat] = [.uncompressed, .gzip, .estargz, .zstd]
        guard let format = formats.first(where: { $0.rawValue == name }) else { throw .unknownCompression(name) }
        compression = Compression(format, level: compression?.level)
    }

    private mutating func setLevel(_ value: String) throws(ExportError) {
        guard let level = Int(value) else { throw .notInteger(option: "compression-level", value: value) }
        // The format may come after it; see `checkLevel`.
        compression = Compression(compression?.format ?? .gzip, level: level)
    }

    /// Refuses a level that the format does not have; to be called when all attributes are known.
    /// - Throws: `ExportError.compressionLevel`.
    package func checkLevel() throws(ExportError) {
        guard let compression, let level = compression.level else { return }
        let highest: Int
        switch compression.format {
        case .gzip, .estargz: highest = 9
        case .zstd: highest = 22
        case .uncompressed, .bzip2, .xz: return
        }
        guard (0...highest).contains(level) else {
            throw .compressionLevel(format: compression.format.rawValue, level: level, highest: highest)
        }
    }
}

/// How the files of a result are exported: the attributes of outputs of type `local` and `tar`.
package struct FileOptions: Sendable, Hashable {
    /// Where the files go.
    package enum Kind: String, Sendable { case local, tar }

    /// Whether each platform's files go into a directory of their own; nil where that depends on how many there are.
    package var splitsPlatforms: Bool?
    /// The time that all files get; nil for what the build says.
    package var epoch: ExportEpoch?
    /// Whether what else is in the directory goes.
    package var deletesOthers = false
    /// What the names of attestations begin with.
    package var attestationPrefix = ""

    package init() {}

    /// Takes one attribute.
    /// - Parameters:
    ///   - option: its name, in lower case.
    ///   - value: its value.
    ///   - kind: the type of the output.
    /// - Throws: `ExportError`.
    package mutating func set(_ option: String, to value: String, of kind: Kind) throws(ExportError) {
        switch option {
        case "platform-split": splitsPlatforms = try truth(option, value)
        case "source-date-epoch": epoch = try ExportEpoch(option, value)
        case "attestation-prefix": attestationPrefix = value
        case "mode" where kind == .local:
            switch value.trimmedBlanks.lowercased() {
            case "", "copy": deletesOthers = false
            case "delete": deletesOthers = true
            default: throw .invalidMode(value)
            }
        default: throw .unsupported(option: option, output: kind.rawValue)
        }
    }
}

/// A truth value as Go spells it.
private func truth(_ option: String, _ value: String) throws(ExportError) -> Bool {
    switch value {
    case "1", "t", "T", "true", "TRUE", "True": return true
    case "0", "f", "F", "false", "FALSE", "False": return false
    default: throw .notBoolean(option: option, value: value)
    }
}

/// A truth value that is true where it is empty.
private func flag(_ option: String, _ value: String) throws(ExportError) -> Bool {
    if value.isEmpty { return true }
    return try truth(option, value)
}

extension String {
    fileprivate var trimmedBlanks: String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\n" || $0 == "\r" }
        return String(drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }
}
