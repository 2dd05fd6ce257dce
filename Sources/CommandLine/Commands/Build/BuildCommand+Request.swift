import BuildEngine
import Exporters
import LLB
import LinuxSystem
internal import Manual
import OCI
import Operations
import SystemPackage
internal import Terminal
internal import Text

extension BuildCommand {
    static let flags: [Flag<BuildCommand>] =
        ([
            .values(
                "tag",
                short: "t",
                \.tags,
                placeholder: "stringArray",
                help: "Image identifier (format: \"[registry/]repository[:tag]\")"
            ) {
                bytes throws(FlagValueError) in [try ImageReference(flag: bytes)]
            },
            .bytes(
                "file",
                short: "f",
                \.file,
                completion: .files,
                help: "Name of the Dockerfile (default: \"PATH/Dockerfile\")"
            ),
            .bytes("target", \.target, help: "Set the target build stage to build"),
            .values(
                "build-arg",
                \.buildArguments,
                placeholder: "stringArray",
                help: "Set build-time variables"
            ) { bytes throws(FlagValueError) in [try named(bytes)] },
            .values(
                "build-context",
                \.buildContexts,
                placeholder: "stringArray",
                help: "Additional build contexts (e.g., name=path)"
            ) {
                bytes throws(FlagValueError) in
                guard let pair = pair(bytes), !pair.name.isEmpty, !pair.value.isEmpty else {
                    throw FlagValueError("invalid context value: \(escapedForDisplay(bytes)), expected key=value")
                }
                return [bytes]
            },
            .values("label", \.labels, placeholder: "stringArray", help: "Set metadata for an image") {
                bytes throws(FlagValueError) in [try named(bytes)]
            },
            .platforms(
                "platform",
                \.platforms,
                placeholder: "stringArray",
                help: "Set target platform for build"
            ),
            .values(
                "output",
                short: "o",
                \.outputs,
                placeholder: "stringArray",
                help: "Output destination (format: \"type=local,dest=path\")"
            ) {
                bytes throws(FlagValueError) in bytes.isEmpty ? [] : [try BuildOutputOption(parsing: bytes)]
            },
            .values("annotation", \.annotations, placeholder: "stringArray", help: "Add annotation to the image") {
                bytes throws(FlagValueError) in
                let text = try FlagValues.text(bytes)
                do throws(ExportError) {
                    return try ImageAnnotation.parse(text)
                } catch {
                    throw FlagValueError("\(error)")
                }
            },
            .toggle("no-cache", \.ignoresCache, help: "Do not use cache when building the image"),
            .toggle("pull", \.pulls, help: "Always attempt to pull all referenced images"),
            .value(
                "network",
                \.network,
                placeholder: "string",
                defaultText: "\"default\"",
                help: "Set the networking mode for the \"RUN\" instructions during build"
            ) {
                bytes throws(FlagValueError) in
                guard let network = BuildRequest.Network(rawValue: try FlagValues.text(bytes)) else {
                    throw FlagValueError("network mode must be default, none or host")
                }
                return network
            },
            .bytes("iidfile", \.imageIDFile, completion: .files, help: "Write the image ID to a file"),
            .toggle("quiet", short: "q", \.isQuiet, help: "Suppress the build output and print image ID on success"),
            .value(
                "progress",
                \.progress,
                placeholder: "string",
                defaultText: "\"auto\"",
                help:
                    "Set type of progress output (\"auto\", \"none\", \"plain\", \"quiet\", \"rawjson\", \"tty\"). Use plain to show container output"
            ) {
                bytes throws(FlagValueError) in
                let name = try FlagValues.text(bytes)
                guard let mode = ProgressMode(rawValue: name) else { throw FlagValueError(unknownProgress(name)) }
                return mode
            },
            .toggle("load", \.loads, help: "Shorthand for \"--output=type=docker\""),
            .toggle("push", \.pushes, help: "Shorthand for \"--output=type=registry,unpack=false\""),
            .bytes(
                "metadata-file",
                \.metadataFile,
                completion: .files,
                help: "Write build result metadata to a file"
            ),
            .value(
                "profile",
                \.profile,
                placeholder: "string",
                completion: .files,
                help: "Write where the time went to a file (\"FILE.html\": a page, \"FILE.json\": a Chrome trace)"
            ) { bytes throws(FlagValueError) in try ProfileOption(parsing: bytes) },
            .toggle("debug", short: "D", \.isDebugging, help: "Show where errors come from, and all of each warning"),
        ] + cacheFlags + limitFlags + clientFlags + callFlags + attestationFlags + ignoredFlags).map { flag in
            // Docker's program itself reads switches and these two; everything else is text to it.
            let isReadAtOnce =
                flag.description.placeholder.isEmpty || ["shm-size", "ulimit"].contains(flag.description.name)
            let checked = isReadAtOnce ? flag : flag.checkedByCommand
            return notGivenWhenEmpty.contains(flag.description.name) ? checked.notGivenWhenEmpty : checked
        }

    /// Flags that buildx takes with an empty value as if they had not been given; it refuses the others, such as `--tag ''`.
    private static let notGivenWhenEmpty: Set<String> = [
        "file", "target", "build-context", "output", "annotation", "network", "iidfile", "progress", "metadata-file",
        "profile",
        "cache-from", "cache-to", "add-host", "allow", "cgroup-parent", "secret", "ssh", "call", "print", "provenance",
        "sbom", "builder", "cpuset-cpus", "cpuset-mems",
    ]

    /// What the options ask for, with paths made absolute and variables looked up.
    /// - Parameters:
    ///   - environment: where the command works.
    ///   - isRemote: whether a daemon carries it out: then outputs and caches are for the daemon to understand.
    /// - Returns: the request.
    /// - Throws: `CommandFailure` for options that cannot be understood.
    func request(_ environment: SlipwayEnvironment, isRemote: Bool = false) async throws -> BuildRequest {
        var request = BuildRequest(try await contextLocation(environment))
        try await setDockerfile(of: &request, environment)
        request.namedContexts = buildContexts.compactMap(Self.pair)
        request.workingDirectory = environment.workingDirectory
        request.target = target
        request.buildArguments = try await proxyArguments(environment) + pairs(buildArguments, from: environment)
        // As buildx hands it on.
        let epoch = Array(EnvironmentVariable.sourceDate.name.utf8)
        if let value = environment.variables[epoch], !request.buildArguments.contains(where: { $0.name == epoch }) {
            request.buildArguments.append((name: epoch, value: value))
        }
        if let file = environment.variable(.sourcePolicy) {
            let bytes = try await onBlockingPool {
                try OpenFile.open(environment.path(file), .readOnly).readToEnd(limit: 4 << 20)
            }
            request.sourcePolicies = [try SourcePolicy(json: bytes)]
        }
        request.labels = labels.map { Self.pair($0) ?? (name: $0, value: []) }
        request.labels += try await gitLabels(request.context, environment)
        request.logLimits = LogLimits(
            size: limit(.stepLogSize, environment),
            speed: limit(.stepLogSpeed, environment)
        )
        var seen: Set<Platform> = []
        let asked = platforms.isEmpty ? try environment.defaultPlatforms() : platforms
        request.platforms = asked.map(\.normalized).filter { seen.insert($0).inserted }
        request.names = tags
        request.exports = isRemote ? [] : try await exports(environment)
        request.ignoresCache = ignoresCache
        try applyCaches(to: &request, environment, isRemote: isRemote)
        request.pullsBaseImages = pulls
        request.network = network ?? .default
        applyLimits(to: &request)
        request.secrets = try await offeredSecrets(environment)
        request.agents = try await offeredAgents(environment)
        applyAttestations(to: &request, environment)
        return request
    }

    /// What the argument means, in buildx's order: standard input, a directory that is there, an address.
    private func contextLocation(_ environment: SlipwayEnvironment) async throws -> ContextLocation {
        let argument = arguments.first ?? []
        if argument.isEmpty {
            throw failedBuild("please specify build context (e.g. \".\" for the current directory)")
        }
        if argument == "-" { return .stream(environment.input) }
        let path = environment.path(argument).lexicallyNormalized()
        if try await onBlockingPool({ try HostFiles.status(of: path) }) != nil { return .directory(path) }
        return BuildRequest.isAddress(argument) ? .address(argument) : .directory(path)
    }

    private func setDockerfile(of request: inout BuildRequest, _ environment: SlipwayEnvironment) async throws {
        guard let file else { return }
        if file == "-" {
            if case .stream = request.context {
                throw CommandFailure(
                    "ERROR: failed to build: invalid argument: can't use stdin for both build context and dockerfile"
                )
            }
            request.dockerfile = .content(try await environment.input.readToEnd(limit: 4 << 20))
        } else if file.starts(with: "http://") || file.starts(with: "https://") {
            request.dockerfile = .address(file)
        } else {
            let path = FilePath(bytes: file)
            let isInside = request.context.isRemote && !path.isAbsolute
            request.dockerfile = isInside ? .inContext(path) : .file(environment.path(file))
        }
    }

    /// The proxies that docker's configuration file has for every build, as buildx hands them over.
    private func proxyArguments(
        _ environment: SlipwayEnvironment
    ) async throws -> [(name: [UInt8], value: [UInt8])] {
        let proxies = try await environment.proxyVariables()
        return proxies.map { (name: Array($0.name.utf8), value: Array($0.value.utf8)) }
    }

    /// `NAME=value`; a name alone takes the variable of the environment, and is dropped where there is none.
    private func pairs(_ texts: [[UInt8]], from environment: SlipwayEnvironment) -> [(name: [UInt8], value: [UInt8])] {
        texts.compactMap { text in
            Self.pair(text) ?? environment.variables[text].map { (name: text, value: $0) }
        }
    }

    /// A pair, or a name alone, that has a name.
    private static func named(_ bytes: [UInt8]) throws(FlagValueError) -> [UInt8] {
        guard let first = bytes.first, first != "=" else {
            throw FlagValueError("invalid key-value pair \"\(escapedForDisplay(bytes))\": empty key")
        }
        return bytes
    }

    /// A number of bytes that a variable gives; nil where it gives none, or -1.
    private func limit(_ variable: EnvironmentVariable, _ environment: SlipwayEnvironment) -> Int? {
        let number = environment.variable(variable).flatMap { Int(String(decoding: $0, as: UTF8.self)) }
        return number.flatMap { $0 < 0 ? nil : $0 }
    }

    private static func pair(_ text: [UInt8]) -> (name: [UInt8], value: [UInt8])? {
        text.firstIndex(of: "=").map { (Array(text[..<$0]), Array(text[($0 + 1)...])) }
    }
}
