internal import Containers
internal import Images
internal import LinuxSystem
internal import OCI
internal import Sandboxes
internal import Storage
internal import SystemPackage

/// `slipway run`.
struct RunCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "IMAGE [COMMAND] [ARG...]",
        summary: "Create and run a new container from an image",
        arguments: .atLeast(1),
        allowsFlagsAfterArguments: false,
        mounts: true,
        completion: .images,
        listsHelpFlag: true
    )

    var arguments: [[UInt8]] = []
    var isDetached = false
    var keepsInput = false
    var hasTerminal = false
    var isRemoved = false
    var name: String?
    var environment: [[UInt8]] = []
    var environmentFiles: [[UInt8]] = []
    var mounts: [ContainerMount] = []
    var workingDirectory: String?
    var user: String?
    var ports: [PublishedPort] = []
    var publishesAll = false
    var entrypoint: String?
    var network: ContainerConfiguration.Network?
    var hostname: String?
    var labels: [[UInt8]] = []
    var platform: Platform?
    var pull: PullPolicy?
    var isQuiet = false
    var stopSignal: String?
    var stopTimeout: Int?

    enum PullPolicy: String, CaseIterable { case always, missing, never }

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        if hasTerminal, keepsInput, !isDetached, !environment.input.isTerminal {
            throw CommandFailure("the input device is not a TTY")
        }
        do {
            let engine = try await environment.engine()
            let containers = ContainerStore(store: engine.store, snapshots: engine.snapshots)
            let container = try await create(containers, engine, environment)
            if isDetached {
                try await containers.start(container)
                try await environment.output.writeLine(container.id)
                return .success
            }
            let attachment = Attachment(environment, keepsInput: keepsInput, hasTerminal: hasTerminal)
            let code = try await attachment.run { try await containers.runAttached(container, $0) }
            return CommandStatus(rawValue: code)
        } catch let error as CancellationError {
            throw error
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            let status = (error as? SandboxError)?.exitCode ?? CommandStatus.notRun.rawValue
            throw CommandFailure(
                "slipway: \(error)\n\nRun 'slipway run --help' for more information",
                status: CommandStatus(rawValue: status)
            )
        }
    }

    private func create(
        _ containers: ContainerStore,
        _ engine: Engine,
        _ environment: SlipwayEnvironment
    ) async throws -> ContainerRecord {
        let words = try textArguments()
        // The lease keeps what was pulled until the container holds it.
        return try await engine.store.withLease { _ in
            let image = try await image(words[0], engine, environment)
            try await checkPlatform(of: image, environment)
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
            request.mounts = mounts.map { absolute($0, environment) }
            for label in labels {
                let parts = try FlagValues.text(label).split(
                    separator: "=",
                    maxSplits: 1,
                    omittingEmptySubsequences: false
                )
                request.labels[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
            }
            request.hasTerminal = hasTerminal
            request.keepsInput = keepsInput
            request.isRemovedAtEnd = isRemoved
            request.stopSignal = stopSignal
            request.stopTimeout = stopTimeout ?? request.stopTimeout
            return try await containers.create(request)
        }
    }

    /// The image, pulled where it is missing or where that was asked for.
    private func image(
        _ name: String,
        _ engine: Engine,
        _ environment: SlipwayEnvironment
    ) async throws -> ImageRecord {
        let asked = try platform ?? environment.defaultPlatforms().first
        if pull != .always {
            do {
                return try await engine.images.image(name, platform: asked)
            } catch ImageError.noSuchImage where pull != .never {
                let reference = try ImageReference(parsing: name).withDefaultTag
                if !isQuiet {
                    try await environment.errorOutput.writeLine("Unable to find image '\(reference.familiar)' locally")
                }
            }
        }
        let reference = try ImageReference(parsing: name)
        let platform = asked ?? .current
        let pulled = try await TransferDisplay(environment.errorOutput, isQuiet: isQuiet).showing { events in
            try await engine.remote.pull(reference, platform: platform, events: events)
        }
        return try await engine.images.image(pulled.id.description)
    }

    private func variables(_ environment: SlipwayEnvironment) async throws -> [String] {
        var lines: [[UInt8]] = []
        for file in environmentFiles {
            let path = environment.path(file)
            let content = try await onBlockingPool { try OpenFile.open(path, 0).readToEnd(limit: 1 << 20) }
            lines += EnvironmentFile.variables(content)
        }
        return try (lines + self.environment).compactMap { line in
            if line.contains(UInt8(ascii: "=")) { return try FlagValues.text(line) }
            // A name alone takes the value that it has here, if it has one.
            return try environment.variables[line].map { try FlagValues.text(line + [UInt8(ascii: "=")] + $0) }
        }
    }

    private func absolute(_ mount: ContainerMount, _ environment: SlipwayEnvironment) -> ContainerMount {
        guard case .bind(let source) = mount.kind else { return mount }
        var mount = mount
        mount.kind = .bind(source: environment.path(Array(source.utf8)).lexicallyNormalized().string)
        return mount
    }
}

/// Files of `NAME=value` lines.
enum EnvironmentFile {
    /// The lines that say something; those beginning with `#` are comments.
    static func variables(_ content: [UInt8]) -> [[UInt8]] {
        content.split(separator: 0x0a).compactMap { line in
            let trimmed = line.drop { $0 == 0x20 || $0 == 0x09 }
            guard let first = trimmed.first, first != UInt8(ascii: "#") else { return nil }
            return Array(trimmed.last == 0x0d ? trimmed.dropLast() : trimmed)
        }
    }
}
