internal import Containers
internal import Images
internal import LinuxSystem
internal import OCI
internal import Storage

/// `slipway inspect`: of containers and images alike.
struct InspectCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "NAME|ID [NAME|ID...]",
        summary: "Return low-level information on objects",
        arguments: .atLeast(1),
        completion: .containers
    )
    static let flags: [Flag<InspectCommand>] = [
        .format(short: "f", \.format, listsTables: false),
        .toggle("size", short: "s", \.showsSize, help: "Display total file sizes if the type is container"),
        .value(
            "type",
            \.type,
            placeholder: "string",
            completion: .words(Kind.allCases.map(\.rawValue)),
            help: "Only inspect objects of the given type"
        ) { bytes throws(FlagValueError) in
            let text = try FlagValues.text(bytes)
            guard let kind = Kind(rawValue: text) else {
                throw FlagValueError("unknown type: \"\(text)\": must be one of \"container\", \"image\"")
            }
            return kind
        },
    ]

    enum Kind: String, Sendable, CaseIterable { case container, image }

    var arguments: [[UInt8]] = []
    var format: String?
    var showsSize = false
    var type: Kind?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let engine = try await environment.engine()
        let containers = try environment.containers(engine)
        let type = type
        let showsSize = showsSize
        let status = try await inspectEach(try textArguments(), format, environment) { name in
            if type != .image {
                do throws(any Error) {
                    let record = try await containers.container(name)
                    return try await InspectionDocument.container(record, in: containers, withSize: showsSize)
                } catch let error as ContainerError {
                    guard type == nil, case .notFound = error else { throw error }
                }
            }
            do {
                return InspectionDocument.image(try await engine.images.inspect(name, platform: nil))
            } catch ImageError.noSuchImage where type == nil {
                throw CommandError.noSuchObject(name)
            }
        }
        await engine.store.close()
        return status
    }
}

/// `slipway container inspect`.
struct InspectContainersCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER [CONTAINER...]",
        summary: "Display detailed information on one or more containers",
        arguments: .atLeast(1),
        completion: .containers
    )
    static let flags: [Flag<InspectContainersCommand>] = [
        .format(short: "f", \.format, listsTables: false),
        .toggle("size", short: "s", \.showsSize, help: "Display total file sizes"),
    ]

    var arguments: [[UInt8]] = []
    var format: String?
    var showsSize = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        var command = InspectCommand()
        command.arguments = arguments
        command.format = format
        command.showsSize = showsSize
        command.type = .container
        return try await command.run(environment)
    }
}

/// Prints the documents of what is found, and then why others were not.
func inspectEach(
    _ names: [String],
    _ format: String?,
    _ environment: SlipwayEnvironment,
    _ document: (String) async throws -> TemplateValue
) async throws -> CommandStatus {
    let printer = try InspectionPrinter(format)
    var documents: [TemplateValue] = []
    var failures = ""
    for name in names {
        do {
            documents.append(try await document(name))
        } catch let error where error is ImageError || error is ContainerError || error is CommandError {
            failures += "Error: \(error)\n"
        }
    }
    try await environment.output.writeFormatted(printer.text(documents))
    try await environment.errorOutput.write(failures)
    return failures.isEmpty ? .success : .failure
}

extension InspectionDocument {
    static func container(
        _ record: ContainerRecord,
        in containers: ContainerStore,
        withSize: Bool
    ) async throws -> TemplateValue {
        let configuration = record.configuration
        let arguments = configuration.arguments
        var fields: [(String, TemplateValue)] = [
            ("Id", .text(record.id)), ("Created", .text(time(record.created))),
            ("Path", .text(arguments.first ?? "")), ("Args", .texts(Array(arguments.dropFirst()))),
            ("State", state(record.state)),
            ("Image", .text(configuration.imageID?.description ?? "")),
            ("LogPath", .text(containers.logPath(of: record))), ("Name", .text("/" + record.name)),
            ("RestartCount", .integer(0)), ("Driver", .text("overlayfs")), ("Platform", .text("linux")),
            ("HostConfig", hostConfiguration(configuration)),
            ("GraphDriver", document([("Data", .null(printedAs: "map[]")), ("Name", .text("overlayfs"))])),
        ]
        if withSize { fields.append(("SizeRw", .integer(try await containers.size(of: record)))) }
        fields += [
            ("Mounts", .list(configuration.mounts.map { mount($0, containers) })),
            ("Config", ownConfiguration(configuration)), ("NetworkSettings", networkSettings(record)),
        ]
        return document(fields)
    }

    private static func time(_ seconds: Int64?) -> String {
        seconds.map { FileTime(seconds: $0).rfc3339 } ?? "0001-01-01T00:00:00Z"
    }

    private static func state(_ state: ContainerState) -> TemplateValue {
        let isRunning = state.status == .running
        return document([
            ("Status", .text(state.status.rawValue)), ("Running", .boolean(isRunning)), ("Paused", .boolean(false)),
            ("Restarting", .boolean(false)), ("OOMKilled", .boolean(false)), ("Dead", .boolean(false)),
            ("Pid", .integer(Int64(isRunning ? state.process?.processID ?? 0 : 0))),
            ("ExitCode", .integer(Int64(state.exitCode ?? 0))), ("Error", .text(state.error ?? "")),
            ("StartedAt", .text(time(state.started))), ("FinishedAt", .text(time(state.finished))),
        ])
    }

    private static func hostConfiguration(_ configuration: ContainerConfiguration) -> TemplateValue {
        let options = configuration.options
        func texts(_ list: [String]) -> TemplateValue { list.isEmpty ? .null(printedAs: "[]") : .texts(list) }
        let binds = configuration.mounts.compactMap { mount -> String? in
            switch mount.kind {
            case .bind(let source): "\(source):\(mount.target)" + (mount.isReadOnly ? ":ro" : "")
            case .volume(let name, false): "\(name):\(mount.target)" + (mount.isReadOnly ? ":ro" : "")
            case .volume, .tmpfs: nil
            }
        }
        let limits = options.limits.map { limit in
            document([
                ("Name", .text(limit.name)), ("Hard", .integer(Int64(truncatingIfNeeded: limit.hard))),
                ("Soft", .integer(Int64(truncatingIfNeeded: limit.soft))),
            ])
        }
        return document([
            ("Binds", texts(binds)), ("NetworkMode", .text(configuration.network.rawValue)),
            ("PortBindings", bindings(configuration.ports)),
            ("RestartPolicy", document([("Name", .text("no")), ("MaximumRetryCount", .integer(0))])),
            ("AutoRemove", .boolean(configuration.isRemovedAtEnd)), ("CapAdd", texts(options.addedCapabilities)),
            ("CapDrop", texts(options.droppedCapabilities)), ("Dns", texts(options.nameServers)),
            ("DnsOptions", texts(options.resolverOptions)), ("DnsSearch", texts(options.searchDomains)),
            ("ExtraHosts", texts(options.hosts.map { "\($0.name):\($0.address)" })),
            ("GroupAdd", texts(options.additionalGroups)), ("Privileged", .boolean(options.isPrivileged)),
            ("ReadonlyRootfs", .boolean(options.isRootReadOnly)),
            ("ShmSize", .integer(options.sharedMemorySize ?? ContainerOptions.defaultSharedMemorySize)),
            ("Init", .boolean(options.usesInit)),
            ("Ulimits", .list(limits)), ("Memory", .integer(options.resources.memory ?? 0)),
            ("NanoCpus", .integer(Int64((options.resources.processors ?? 0) * 1_000_000_000))),
            ("PidsLimit", options.resources.processes.map { .integer($0) } ?? .null(printedAs: "<nil>")),
        ])
    }

    private static func ownConfiguration(_ configuration: ContainerConfiguration) -> TemplateValue {
        let options = configuration.options
        let ports = Set(options.exposedPorts + configuration.ports.map(\.containerEndpoint))
        let exposed = ports.map { ($0.contains("/") ? $0 : $0 + "/tcp", document([])) }
        func texts(_ list: [String]?) -> TemplateValue {
            list.flatMap { $0.isEmpty ? nil : .texts($0) } ?? .null(printedAs: "[]")
        }
        var fields: [(String, TemplateValue)] = [
            ("Hostname", .text(configuration.hostname)), ("Domainname", .text("")), ("User", .text(configuration.user)),
        ]
        if !exposed.isEmpty {
            fields.append(("ExposedPorts", .map(Dictionary(exposed) { first, _ in first }, missing: .nothing)))
        }
        fields += [
            ("Tty", .boolean(configuration.hasTerminal)), ("OpenStdin", .boolean(configuration.keepsInput)),
            ("Env", .texts(configuration.environment)), ("Cmd", texts(options.command)),
            ("Image", .text(configuration.imageName)), ("WorkingDir", .text(configuration.workingDirectory)),
            ("Entrypoint", texts(options.entrypoint)), ("Labels", .labels(configuration.labels)),
        ]
        if let signal = configuration.stopSignal { fields.append(("StopSignal", .text(signal))) }
        return document(fields + [("StopTimeout", .integer(Int64(configuration.stopTimeout)))])
    }

    private static func mount(_ mount: ContainerMount, _ containers: ContainerStore) -> TemplateValue {
        let place: [(String, TemplateValue)] = [
            ("Destination", .text(mount.target)), ("Mode", .text(mount.isReadOnly ? "ro" : "")),
            ("RW", .boolean(!mount.isReadOnly)),
            ("Propagation", .text(mount.options.first { ContainerMount.propagations.contains($0) } ?? "")),
        ]
        switch mount.kind {
        case .bind(let source): return document([("Type", .text("bind")), ("Source", .text(source))] + place)
        case .tmpfs: return document([("Type", .text("tmpfs")), ("Source", .text(""))] + place)
        case .volume(let name, _):
            let source = escapedForDisplay(containers.content(ofVolume: name).bytes)
            return document(
                [
                    ("Type", .text("volume")), ("Name", .text(name)), ("Source", .text(source)),
                    ("Driver", .text("local")),
                ]
                    + place
            )
        }
    }

    private static func bindings(_ ports: [PublishedPort]) -> TemplateValue {
        let byPort = Dictionary(grouping: ports) { $0.containerEndpoint }
        return .map(
            byPort.mapValues { ports in
                .list(
                    ports.map {
                        document([
                            ("HostIp", .text($0.hostAddress)),
                            ("HostPort", .text($0.hostPort == 0 ? "" : "\($0.hostPort)")),
                        ])
                    }
                )
            },
            missing: .nothing
        )
    }

    private static func networkSettings(_ record: ContainerRecord) -> TemplateValue {
        let state = record.state
        let isRunning = state.status == .running
        let address: [(String, TemplateValue)] = [
            ("Gateway", .text(isRunning ? state.gateway ?? "" : "")),
            ("IPAddress", .text(isRunning ? state.address ?? "" : "")),
            ("IPPrefixLen", .integer(Int64(isRunning ? state.prefixLength ?? 0 : 0))),
        ]
        var shown = isRunning ? state.ports : []
        for index in shown.indices where shown[index].hostAddress.isEmpty { shown[index].hostAddress = "0.0.0.0" }
        let networks = [record.configuration.network.rawValue: document(address)]
        return document(
            [("Ports", bindings(shown))] + address + [("Networks", .map(networks, missing: .nothing))]
        )
    }
}
