internal import Containers
internal import DockerObjects
internal import Images
internal import LinuxSystem
internal import OCI
internal import Sandboxes
internal import Storage
internal import SystemPackage
internal import Terminal
internal import Text

extension ContainerFlags {
    /// Makes the container that the flags ask for, of the image that the first word names; the other words are its command.
    func create(
        _ words: [String],
        _ containers: ContainerStore,
        _ engine: Engine,
        _ environment: SlipwayEnvironment
    ) async throws -> ContainerRecord {
        let idPath = idFile.map { environment.path($0) }
        if let idPath, try await onBlockingPool({ try HostFiles.status(of: idPath) }) != nil {
            throw ContainerCommandError.idFileExists(idPath)
        }
        let level = environment.privileges.level
        if options.userNamespace == .keepID, level.maps?.keepingRoot == nil {
            throw ContainerCommandError.noKeptID(isRoot: level.ownsMachine)
        }
        // The lease keeps what was pulled until the container holds it.
        let record = try await engine.store.withLease { _ in
            let image = try await image(words[0], engine, environment)
            try await checkPlatform(of: image, environment)
            let request = try await request(words, image, containers, environment)
            let resources = options.resources
            var warnings = await onBlockingPool { ContainerLimits.warnings(for: resources, at: level) }
            if request.network == .host, !request.ports.isEmpty {
                warnings.append("Published ports are discarded when using host network mode")
            }
            for warning in warnings {
                try await environment.errorOutput.writeLine("WARNING: \(warning)")
            }
            return try await containers.create(request)
        }
        guard let idPath else { return record }
        do {
            try await onBlockingPool { try HostFiles.write(Array(record.id.utf8), to: idPath) }
        } catch {
            try? await containers.remove(record, removesVolumes: true)
            throw error
        }
        return record
    }

    private func request(
        _ words: [String],
        _ image: ImageRecord,
        _ containers: ContainerStore,
        _ environment: SlipwayEnvironment
    ) async throws -> ContainerRequest {
        var request = ContainerRequest(
            imageName: words[0],
            image: ImageToRun(
                id: image.id,
                defaults: image.configuration.config ?? ContainerDefaults(),
                layers: image.layers
            )
        )
        request.name = name
        request.command = Array(words.dropFirst())
        request.entrypoint = entrypoint.map { $0.isEmpty ? [] : [$0] }
        request.environment = try await variables(environment)
        request.workingDirectory = workingDirectory
        request.user = user
        request.hostname = hostname
        request.network = network ?? .bridge
        request.ports = ports
        request.publishesExposedPorts = publishesAll
        request.mounts = try await volumesFrom.joining(mounts.map { absolute($0, environment) }, in: containers)
        request.labels = try await allLabels(environment)
        request.healthcheck = try requestedHealthcheck()
        request.hasTerminal = hasTerminal
        request.keepsInput = keepsInput
        request.isRemovedAtEnd = isRemoved
        request.stopSignal = stopSignal
        request.stopTimeout = stopTimeout ?? request.stopTimeout
        request.options = options
        if options.userNamespace == .keepID, user ?? image.configuration.config?.user ?? "" == "",
            let maps = environment.privileges.level.maps, let own = maps.users.outside(of: 0),
            let group = maps.groups.outside(of: 0)
        {
            // As in podman: the user's own.
            request.user = "\(own):\(group)"
        }
        request.options.exposedPorts = exposed
        return request
    }

    /// The image, pulled where it is missing or where that was asked for.
    private func image(
        _ name: String,
        _ engine: Engine,
        _ environment: SlipwayEnvironment
    ) async throws -> ImageRecord {
        let wanted = try platform ?? environment.defaultPlatforms().first
        if pull != .always {
            do {
                return try await engine.images.image(name, platform: wanted)
            } catch ImageError.noSuchImage where pull != .never {
                let reference = try ImageReference(parsing: name).withDefaultTag
                if !isQuiet {
                    try await environment.errorOutput.writeLine("Unable to find image '\(reference.familiar)' locally")
                }
            }
        }
        let reference = try ImageReference(parsing: name)
        let pulled = try await TransferDisplay(environment.errorOutput, isQuiet: isQuiet).showing { events in
            try await engine.remote.pull(reference, platform: wanted ?? .current, events: events)
        }
        return try await engine.images.image(pulled.id.description)
    }

    /// The proxies of docker's configuration, the lines of files, and what was given, in this order: later ones win.
    private func variables(_ environment: SlipwayEnvironment) async throws -> [String] {
        let proxies = try await environment.proxyVariables().map { "\($0.name)=\($0.value)" }
        return try await proxies + environment.containerVariables(files: environmentFiles, given: self.environment)
    }

    private func absolute(_ mount: ContainerMount, _ environment: SlipwayEnvironment) -> ContainerMount {
        guard case .bind(let source) = mount.kind else { return mount }
        var mount = mount
        mount.kind = .bind(source: environment.path(source.bytes).lexicallyNormalized())
        return mount
    }
}

/// Why a container was not made, apart from what the engine says.
enum ContainerCommandError: Error, CustomStringConvertible {
    case idFileExists(FilePath)
    case environmentFile(FilePath, EnvironmentFileError)
    /// `--userns=keep-id`.
    case noKeptID(isRoot: Bool)

    var description: String {
        switch self {
        case .idFileExists(let path):
            "container ID file found, make sure the other container isn't running or delete \(escapedForDisplay(path.bytes))"
        case .environmentFile(let path, let error):
            "--env-file: invalid env file (\(escapedForDisplay(path.bytes))): \(error)"
        case .noKeptID(true):
            "--userns=keep-id is for ordinary users: in root's containers every user has the number that it has outside"
        case .noKeptID(false):
            "--userns=keep-id needs subordinate ids, in which the image's own users are: give the user some in /etc/subuid and "
                + "/etc/subgid; without it, and with --userns=host, this user's files are those of root in the container"
        }
    }
}

/// What is wrong with a file of variables, in docker's words.
enum EnvironmentFileError: Error, Hashable, CustomStringConvertible {
    case notText(line: Int)
    case noName(line: String)
    case nameWithSpace(String)

    var description: String {
        switch self {
        case .notText(let line): "invalid utf8 bytes at line \(line)"
        case .noName(let line): "no variable name on line '\(line)'"
        case .nameWithSpace(let name): "variable '\(name)' contains whitespaces"
        }
    }
}

/// Files of `NAME=value` lines.
enum EnvironmentFile {
    /// The lines that say something; those beginning with `#` are comments.
    ///
    /// A name alone stands for its value here.
    static func variables(_ content: [UInt8]) throws(EnvironmentFileError) -> [[UInt8]] {
        var variables: [[UInt8]] = []
        let isMarked = content.starts(with: [0xef, 0xbb, 0xbf])
        let lines = content.dropFirst(isMarked ? 3 : 0).split(separator: 0x0a, omittingEmptySubsequences: false)
        for (index, bytes) in lines.enumerated() {
            guard let text = String(validating: bytes, as: UTF8.self) else { throw .notText(line: index + 1) }
            let whole = text.hasSuffix("\r") ? String(text.dropLast()) : text
            let line = whole.drop { $0.isWhitespace }
            if line.isEmpty || line.hasPrefix("#") { continue }
            let name = line.prefix { $0 != "=" }
            if name.isEmpty { throw .noName(line: String(line)) }
            if name.contains(where: \.isWhitespace) { throw .nameWithSpace(String(name)) }
            variables.append(Array(line.utf8))
        }
        return variables
    }
}
