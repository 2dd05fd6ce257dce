import BuildEngine
import LinuxSystem
import OCI
import SystemPackage

extension BuildCommand {
    static let flags: [Flag<BuildCommand>] = [
        .values("tag", short: "t", \.tags, placeholder: "stringArray", help: "Name the image, as \"name:tag\"") {
            bytes throws(FlagValueError) in [try reference(bytes)]
        },
        .bytes(
            "file",
            short: "f",
            \.file,
            completion: .files,
            help: "Read this Dockerfile (default \"PATH/Dockerfile\")"
        ),
        .bytes("target", \.target, help: "Build this stage and what it needs"),
        .list("build-arg", \.buildArguments, placeholder: "stringArray", help: "Set an ARG of the Dockerfile"),
        .list("label", \.labels, placeholder: "stringArray", help: "Set a label of the image"),
        .value("platform", \.platform, placeholder: "string", help: "Build for this platform") {
            bytes throws(FlagValueError) in try platform(bytes)
        },
        .values(
            "output",
            short: "o",
            \.outputs,
            placeholder: "stringArray",
            help: "Where the result goes (\"type=local,dest=path\")"
        ) {
            bytes throws(FlagValueError) in [try BuildOutputOption(parsing: bytes)]
        },
        .toggle("no-cache", \.ignoresCache, help: "Run every step again"),
        .toggle("pull", \.pulls, help: "Ask the registry for base images that are in the store too"),
        .value(
            "network",
            \.network,
            placeholder: "string",
            defaultText: "\"default\"",
            help: "Network of RUN steps (\"default\", \"none\", \"host\")"
        ) {
            bytes throws(FlagValueError) in
            guard let network = BuildRequest.Network(rawValue: try FlagValues.text(bytes)) else {
                throw FlagValueError("network mode must be default, none or host")
            }
            return network
        },
        .values(
            "add-host",
            \.hosts,
            placeholder: "strings",
            help: "Add a line to /etc/hosts of RUN steps (\"host:ip\")"
        ) {
            bytes throws(FlagValueError) in [try host(bytes)]
        },
        .bytes("iidfile", \.imageIDFile, completion: .files, help: "Write the image's id to this file"),
        .toggle("quiet", short: "q", \.isQuiet, help: "Show no progress, print the image's id"),
        .value(
            "progress",
            \.progress,
            placeholder: "string",
            defaultText: "\"auto\"",
            help: "How progress is shown (\"auto\", \"none\", \"plain\", \"quiet\", \"rawjson\", \"tty\")"
        ) {
            bytes throws(FlagValueError) in
            guard let mode = ProgressMode(rawValue: try FlagValues.text(bytes)) else {
                throw FlagValueError("progress must be one of auto, none, plain, quiet, rawjson and tty")
            }
            return mode
        },
        .toggle("load", \.ignored, help: "Keep the image in the local store (always done)"),
        // Docker accepts and ignores these.
        .toggle("rm", \.ignored, help: "Ignored").hidden,
        .toggle("force-rm", \.ignored, help: "Ignored").hidden,
        .toggle("compress", \.ignored, help: "Ignored").hidden,
        .value("provenance", \.ignoredText, placeholder: "string", help: "Only \"false\" is supported", onlyFalse)
            .hidden,
        .value("sbom", \.ignoredText, placeholder: "string", help: "Only \"false\" is supported", onlyFalse).hidden,
    ]

    /// What the options ask for, with paths made absolute and variables looked up.
    func request(_ environment: SlipwayEnvironment) async throws -> BuildRequest {
        let context = arguments.first ?? []
        if context.elementsEqual("-".utf8) || context.contains(Array("://".utf8)) || context.starts(with: "git@".utf8) {
            throw CommandFailure(
                "ERROR: failed to build: a build context must be a directory; standard input, git repositories and URLs are not supported by this version of Slipway"
            )
        }
        var request = BuildRequest(context: environment.path(context).lexicallyNormalized())
        switch file {
        case nil: break
        case let file? where file.elementsEqual("-".utf8):
            request.dockerfile = .content(try await environment.input.readToEnd(limit: 4 << 20))
        case let file?: request.dockerfile = .file(environment.path(file))
        }
        request.target = target
        request.buildArguments = pairs(buildArguments, from: environment)
        request.labels = labels.map { Self.pair($0) ?? (name: $0, value: []) }
        request.platform = try platform ?? defaultPlatform(environment)
        request.names = tags
        if !outputs.isEmpty { request.exports = try outputs.map { try $0.export(environment) } }
        request.ignoresCache = ignoresCache
        request.pullsBaseImages = pulls
        request.network = network ?? .default
        request.extraHosts = hosts
        return request
    }

    private func defaultPlatform(_ environment: SlipwayEnvironment) throws -> Platform? {
        try environment.variable("DOCKER_DEFAULT_PLATFORM").map {
            try Platform(parsing: String(decoding: $0, as: UTF8.self))
        }
    }

    /// `NAME=value`; a name alone takes the variable of the environment, and is dropped where there is none.
    private func pairs(_ texts: [[UInt8]], from environment: SlipwayEnvironment) -> [(name: [UInt8], value: [UInt8])] {
        texts.compactMap { text in
            Self.pair(text) ?? environment.variables[text].map { (name: text, value: $0) }
        }
    }

    private static func pair(_ text: [UInt8]) -> (name: [UInt8], value: [UInt8])? {
        text.firstIndex(of: UInt8(ascii: "=")).map { (Array(text[..<$0]), Array(text[($0 + 1)...])) }
    }

    private static func reference(_ bytes: [UInt8]) throws(FlagValueError) -> ImageReference {
        let text = try FlagValues.text(bytes)
        do throws(OCIError) { return try ImageReference(parsing: text) } catch { throw FlagValueError("\(error)") }
    }

    private static func platform(_ bytes: [UInt8]) throws(FlagValueError) -> Platform {
        if bytes.contains(UInt8(ascii: ",")) {
            throw FlagValueError("several platforms in one build are not supported by this version of Slipway")
        }
        return try platformValue(bytes)
    }

    private static func host(_ bytes: [UInt8]) throws(FlagValueError) -> (name: [UInt8], address: [UInt8]) {
        guard let separator = bytes.firstIndex(where: { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: ":") }),
            separator > 0, separator + 1 < bytes.count
        else { throw FlagValueError("bad format for add-host: \"\(escapedForDisplay(bytes))\"") }
        var address = Array(bytes[(separator + 1)...])
        if address.first == UInt8(ascii: "["), address.last == UInt8(ascii: "]") {
            address = Array(address.dropFirst().dropLast())
        }
        return (Array(bytes[..<separator]), address)
    }

    private static let onlyFalse: @Sendable ([UInt8]) throws(FlagValueError) -> String = {
        bytes throws(FlagValueError) in
        let text = try FlagValues.text(bytes)
        guard text == "false" else {
            throw FlagValueError("attestations are not supported by this version of Slipway")
        }
        return text
    }
}

/// One `--output`.
struct BuildOutputOption: Sendable {
    enum Kind: String, Sendable { case image, local, tar, oci, docker }

    var kind: Kind
    /// Nil where the kind needs none; `-` is standard output.
    var destination: [UInt8]?

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
        var kind: Kind?
        for (key, value) in try FlagValues.fields(bytes) {
            switch key {
            case "type":
                let name = try FlagValues.text(value ?? [])
                guard let known = Kind(rawValue: name) else {
                    throw FlagValueError("the output type \"\(name)\" is none of image, local, tar, oci and docker")
                }
                kind = known
            case "dest": destination = value
            default: throw FlagValueError("the output option \"\(key)\" is not supported by this version of Slipway")
            }
        }
        guard let kind else { throw FlagValueError("type is required for output") }
        self.kind = kind
        switch kind {
        case .local where destination == nil, .tar where destination == nil, .oci where destination == nil:
            throw FlagValueError("dest is required for \(kind.rawValue) output")
        default: break
        }
    }

    /// What the engine is asked for.
    func export(_ environment: SlipwayEnvironment) throws -> Export {
        switch kind {
        case .image: return .image
        case .local: return .directory(environment.path(destination ?? []))
        case .tar: return .tar(try target(environment))
        case .oci: return .ociArchive(try target(environment))
        case .docker: return destination == nil ? .image : .dockerArchive(try target(environment))
        }
    }

    private func target(_ environment: SlipwayEnvironment) throws -> ExportDestination {
        guard let destination, !destination.elementsEqual("-".utf8) else {
            if environment.output.isTerminal { throw CommandError.outputIsTerminal }
            return .open(try StandardStream.output.duplicate())
        }
        return .file(environment.path(destination))
    }
}
