internal import Archive
internal import Exporters
internal import LinuxSystem
internal import OCI
package import RemoteCache
package import SystemPackage
package import Terminal
internal import Text

/// One `--cache-from` or `--cache-to`: its type and attributes, understood when the environment is known.
package struct CacheOption: Sendable, Hashable {
    package let type: String
    private(set) var attributes: [String: [UInt8]]

    /// A cache that a client of the daemon names.
    init(type: String, attributes: [String: [UInt8]]) {
        self.type = type
        self.attributes = attributes
    }

    /// What of the environment decides what a cache is.
    package struct Surroundings: Sendable {
        /// Makes a path absolute.
        package var path: @Sendable ([UInt8]) -> FilePath
        /// The value of a variable of the environment.
        package var variable: @Sendable (String) -> String?

        package init(
            path: @escaping @Sendable ([UInt8]) -> FilePath,
            variable: @escaping @Sendable (String) -> String?
        ) {
            self.path = path
            self.variable = variable
        }
    }

    /// Parses one value: `type=…,key=value,…`, or references of caches in registries.
    package static func parse(_ bytes: [UInt8]) throws(FlagValueError) -> [CacheOption] {
        if bytes.isEmpty { return [] }
        let fields = try FlagValues.commaSeparated(bytes)
        guard bytes.contains("=") else {
            return fields.map { CacheOption(type: "registry", attributes: ["ref": $0]) }
        }
        var type: String?
        var attributes: [String: [UInt8]] = [:]
        for field in fields {
            guard let separator = field.firstIndex(of: "=") else {
                throw FlagValueError("invalid value \(escapedForDisplay(field))")
            }
            let key = try FlagValues.text(Array(field[..<separator])).lowercased()
            let value = Array(field[(separator + 1)...])
            if key == "type" { type = try FlagValues.text(value) } else { attributes[key] = value }
        }
        guard let type, !type.isEmpty else {
            throw FlagValueError("type required for \"\(escapedForDisplay(bytes))\"")
        }
        return [CacheOption(type: type, attributes: attributes)]
    }

    // MARK: Meaning

    /// What is to be read.
    package func source(_ environment: Surroundings) throws -> CacheSource {
        var reader = try reader(isExport: false)
        switch type {
        case "registry":
            let place = try registryPlace(&reader)
            try reader.finish()
            return .registry(place)
        case "local":
            guard let path = reader.take("src") else { throw Self.failure("local cache importer requires src") }
            var source = LocalCacheSource(path: environment.path(path))
            source.tag = try reader.text("tag")
            source.digest = try reader.text("digest").map { text in
                guard let digest = try? Digest(parsing: text) else {
                    throw Self.failure("\(text) is not a digest; it begins with sha256: and has 64 hexadecimal digits")
                }
                return digest
            }
            try reader.finish()
            return .local(source)
        case "s3":
            let place = try reader.bucket(environment)
            try reader.finish()
            return .s3(place)
        case "inline":
            throw Self.failure("an inline cache is read from its image: use --cache-from type=registry,ref=IMAGE")
        default: throw unknownType
        }
    }

    /// What is to be written.
    package func export(_ environment: Surroundings) throws -> CacheExport {
        var reader = try reader(isExport: true)
        var export: CacheExport
        switch type {
        case "inline":
            if try reader.text("mode") == "max" {
                throw Self.failure("an inline cache holds the layers of its image only: mode=max needs type=registry")
            }
            export = CacheExport(.inline)
            export.ignoresErrors = try reader.flag("ignore-error") ?? false
            try reader.finish()
            return export
        case "registry": export = CacheExport(.registry(try registryPlace(&reader)))
        case "local":
            guard let path = reader.take("dest") else { throw Self.failure("local cache exporter requires dest") }
            var destination = LocalCacheDestination(path: environment.path(path))
            destination.tag = try reader.text("tag") ?? "latest"
            destination.removesUnused = try reader.flag("reset") ?? false
            export = CacheExport(.local(destination))
        case "s3": export = CacheExport(.s3(try reader.bucket(environment)))
        default: throw unknownType
        }
        if type != "s3" {
            export.form = try reader.form()
            try reader.setCompression(of: &export)
        }
        if let mode = try reader.text("mode") {
            guard let known = CacheExport.Mode(rawValue: mode) else {
                throw Self.failure("unsupported cache export mode: \(mode); it is min or max")
            }
            export.mode = known
        }
        export.ignoresErrors = try reader.flag("ignore-error") ?? false
        try reader.finish()
        return export
    }

    private func registryPlace(_ reader: inout CacheAttributeReader) throws -> RegistryCachePlace {
        guard let text = try reader.text("ref"), !text.isEmpty else { throw Self.failure("missing ref") }
        let reference: ImageReference
        do throws(OCIError) { reference = try ImageReference(parsing: text) } catch {
            throw Self.failure("\(error)")
        }
        let isInsecure = try reader.flag("registry.insecure") ?? false
        return RegistryCachePlace(reference, name: text, isInsecure: isInsecure)
    }

    private func reader(isExport: Bool) throws -> CacheAttributeReader {
        if type == "gha" || type == "azblob" {
            let service = type == "gha" ? "GitHub's cache service" : "Azure's blob storage"
            throw Self.failure(
                "the cache type \(type) is not supported: Slipway does not speak with \(service); use type=registry, local or s3"
            )
        }
        return CacheAttributeReader(type: type, isExport: isExport, rest: attributes)
    }

    private var unknownType: CommandFailure {
        Self.failure("unknown cache type \"\(type)\": it is not one of inline, local, registry and s3")
    }

    static func failure(_ reason: String) -> CommandFailure { CommandFailure("ERROR: failed to build: \(reason)") }
}

/// Takes the attributes of a cache one by one; what is left in the end is not known.
struct CacheAttributeReader {
    let type: String
    let isExport: Bool
    var rest: [String: [UInt8]]

    mutating func take(_ key: String) -> [UInt8]? {
        let value = rest.removeValue(forKey: key)
        return value?.isEmpty == true ? nil : value
    }

    mutating func text(_ key: String) throws -> String? {
        guard let value = take(key) else { return nil }
        guard let text = String(validating: value, as: UTF8.self) else {
            throw CacheOption.failure("failed to parse \(key): it is not valid UTF-8")
        }
        return text
    }

    mutating func flag(_ key: String) throws -> Bool? {
        guard let value = take(key) else { return nil }
        do throws(FlagValueError) { return try FlagValues.boolean(value) } catch {
            throw CacheOption.failure("failed to parse \(key): \(error.reason)")
        }
    }

    mutating func number(_ key: String, _ range: ClosedRange<Int>, _ complaint: String) throws -> Int? {
        guard let text = try text(key) else { return nil }
        guard let number = Int(text), range.contains(number) else { throw CacheOption.failure(complaint) }
        return number
    }

    /// What the manifest of the cache is to be.
    mutating func form() throws -> CacheForm {
        let isOCI = try flag("oci-mediatypes") ?? true
        let isImage = try flag("image-manifest") ?? isOCI
        if isImage {
            guard isOCI else {
                throw CacheOption.failure(
                    "invalid configuration for remote cache: image-manifest=true needs oci-mediatypes=true"
                )
            }
            return .imageManifest
        }
        return isOCI ? .index : .dockerList
    }

    /// How layers are compressed: as for outputs.
    mutating func setCompression(of export: inout CacheExport) throws {
        var options = ImageOptions()
        do {
            for key in ["compression", "compression-level", "force-compression"] {
                guard let value = try text(key) else { continue }
                try options.set(key, to: value, of: .registry)
            }
            try options.checkLevel()
        } catch let error as ExportError {
            throw CacheOption.failure("\(error)")
        }
        export.compression = options.compression ?? .gzip
        export.isForced = options.forcesCompression
    }

    /// Refuses what nobody took.
    func finish() throws {
        guard let key = rest.keys.sorted().first else { return }
        throw CacheOption.failure(
            "unknown attribute \"\(key)\" of --cache-\(isExport ? "to" : "from") type=\(type)"
        )
    }
}
