internal import Containers
internal import GoTemplate
internal import Images
internal import LinuxSystem
internal import OCI
internal import Storage
internal import SystemPackage
internal import Terminal
internal import Text

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
            \.typeName,
            placeholder: "string",
            completion: .words(Kind.allCases.map(\.rawValue)),
            help: "Only inspect objects of the given type"
        ) { bytes throws(FlagValueError) in try FlagValues.text(bytes) },
    ]

    enum Kind: String, Sendable, CaseIterable { case container, image, volume }

    var arguments: [[UInt8]] = []
    var format: String?
    var showsSize = false
    var typeName: String?

    /// - Throws: `CommandFailure` for what is no type; to docker it is no wrong usage.
    private func chosenType() throws(CommandFailure) -> Kind? {
        guard let typeName else { return nil }
        if let kind = Kind(rawValue: typeName) { return kind }
        let known = Kind.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        throw CommandFailure("unknown type: \"\(typeName)\": must be one of \(known)")
    }

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let type = try chosenType()
        let engine = try await environment.engine(freesSpace: true)
        let containers = try environment.containers(engine)
        let showsSize = showsSize
        let status = try await inspectEach(try textArguments(), format, environment) { name in
            if type == .volume { return InspectionDocument.volume(try await containers.findVolume(name)) }
            if type != .image {
                do throws(any Error) {
                    let record = try await containers.container(name)
                    var size: Int64?
                    if showsSize { size = try await engine.images.size(of: record.configuration.imageID) }
                    return try await InspectionDocument.container(record, in: containers, sizeOfImage: size)
                } catch let error as ContainerError {
                    guard type == nil, case .notFound = error else { throw error }
                }
            }
            do {
                return InspectionDocument.image(try await engine.images.inspect(name, platform: nil))
            } catch let error where type == nil && Self.meansNoImage(error) {
                do throws(any Error) {
                    return InspectionDocument.volume(try await containers.findVolume(name))
                } catch ContainerError.volumeNotFound {
                    throw CommandError.noSuchObject(name)
                }
            }
        }
        await engine.store.close()
        return status
    }
}

extension InspectCommand {
    /// Whether nothing is called so; a name that no image can have may still be a volume's.
    fileprivate static func meansNoImage(_ error: any Error) -> Bool {
        if case ImageError.noSuchImage? = error as? ImageError { return true }
        return error is OCIError
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
        command.typeName = InspectCommand.Kind.container.rawValue
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
            let found = try await document(name)
            // A template may ask for what one thing has and another has not.
            try printer.check(found)
            documents.append(found)
        } catch let error as TemplateError {
            failures += "\(error)\n"
        } catch let error where error is ImageError || error is ContainerError || error is CommandError {
            failures += "Error: \(error)\n"
        }
    }
    let text = try printer.text(documents)
    // As docker: where a template has nothing to say, its line is empty.
    try await environment.output.writeFormatted(text.isEmpty ? "\n" : text)
    try await environment.errorOutput.write(failures)
    return failures.isEmpty ? .success : .failure
}

extension InspectionDocument {
    static func container(
        _ record: ContainerRecord,
        in containers: ContainerStore,
        sizeOfImage imageSize: Int64?
    ) async throws -> TemplateValue {
        let configuration = record.configuration
        let arguments = configuration.arguments
        var fields: [(String, TemplateValue)] = [
            ("Id", .text(record.id)), ("Created", .text(time(record.created))),
            ("Path", .text(arguments.first ?? "")), ("Args", .texts(Array(arguments.dropFirst()))),
            ("State", state(record.state)),
            ("Image", .text(configuration.imageID?.description ?? "")),
            ("ResolvConfPath", .text("")), ("HostnamePath", .text("")), ("HostsPath", .text("")),
            ("LogPath", .text(containers.logPath(of: record))), ("Name", .text("/" + record.name)),
            ("RestartCount", .integer(0)), ("Driver", .text("overlayfs")), ("Platform", .text("linux")),
            ("MountLabel", .text("")), ("ProcessLabel", .text("")), ("AppArmorProfile", .text("")),
            ("ExecIDs", emptyList), ("HostConfig", hostConfiguration(configuration)),
            ("GraphDriver", document([("Data", .null(printedAs: "map[]")), ("Name", .text("overlayfs"))])),
        ]
        var absent: [(String, TemplateValue)] = []
        if let imageSize {
            let own = try await containers.size(of: record)
            fields += [("SizeRw", .integer(own)), ("SizeRootFs", .integer(own + imageSize))]
        } else {
            absent = [("SizeRw", nothing), ("SizeRootFs", nothing)]
        }
        fields += [
            // What `--tmpfs` asks for stands in the host's configuration.
            ("Mounts", .list(configuration.mounts.filter { !$0.isOfTmpfsFlag }.map { mount($0, containers) })),
            ("Config", ownConfiguration(record)), ("NetworkSettings", networkSettings(record)),
        ]
        return document(fields, absent: absent)
    }

    private static func time(_ seconds: Int64?) -> String {
        seconds.map { FileTime(seconds: $0).rfc3339 } ?? "0001-01-01T00:00:00Z"
    }

    private static func state(_ state: ContainerState) -> TemplateValue {
        let isRunning = state.status == .running
        let fields: [(String, TemplateValue)] = [
            ("Status", .text(state.status.rawValue)), ("Running", .boolean(isRunning)), ("Paused", .boolean(false)),
            ("Restarting", .boolean(false)), ("OOMKilled", .boolean(state.ending?.ranOutOfMemory ?? false)),
            ("Dead", .boolean(false)),
            ("Pid", .integer(Int64(isRunning ? state.process?.processID ?? 0 : 0))),
            ("ExitCode", .integer(Int64(state.exitCode ?? 0))), ("Error", .text(state.error ?? "")),
            ("StartedAt", .text(time(state.started))), ("FinishedAt", .text(time(state.ending?.finished))),
        ]
        guard let health = state.run?.health else { return document(fields, absent: [("Health", nothing)]) }
        let log = health.log.map { check in
            document([
                ("Start", .text(check.start)), ("End", .text(check.end)), ("ExitCode", .integer(Int64(check.exitCode))),
                ("Output", .text(check.output)),
            ])
        }
        let found = document([
            ("Status", .text(health.status.rawValue)), ("FailingStreak", .integer(Int64(health.failingStreak))),
            ("Log", .list(log)),
        ])
        return document(fields + [("Health", found)])
    }

    private static func mount(_ mount: ContainerMount, _ containers: ContainerStore) -> TemplateValue {
        let propagation = mount.options.first { ContainerMount.propagations.contains($0) }
        var mode = mount.writtenOptions ?? ""
        // What Docker's driver for volumes does with those that have a name.
        if mode.isEmpty, case .volume(_, isAnonymous: false) = mount.kind { mode = "z" }
        func entry(_ type: String, name: String?, source: String, propagation: String) -> TemplateValue {
            var fields: [(String, TemplateValue)] = [("Type", .text(type))]
            if let name { fields.append(("Name", .text(name))) }
            fields += [("Source", .text(source)), ("Destination", .text(mount.target))]
            if name != nil { fields.append(("Driver", .text("local"))) }
            fields += [
                ("Mode", .text(mode)), ("RW", .boolean(!mount.isReadOnly)), ("Propagation", .text(propagation)),
            ]
            return document(fields, absent: name == nil ? [("Name", .text("")), ("Driver", .text(""))] : [])
        }
        switch mount.kind {
        case .bind(let source):
            return entry("bind", name: nil, source: source.string, propagation: propagation ?? "rprivate")
        case .tmpfs: return entry("tmpfs", name: nil, source: "", propagation: propagation ?? "")
        case .volume(let name, _):
            let source = escapedForDisplay(containers.content(ofVolume: name).bytes)
            return entry("volume", name: name, source: source, propagation: propagation ?? "")
        }
    }

    static func bindings(_ ports: [PublishedPort]) -> TemplateValue {
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
        // What Slipway does not keep is as docker has it of a container that does not run.
        let network = record.state.status == .running ? record.state.network : nil
        let address: [(String, TemplateValue)] = [
            ("Gateway", .text(network?.gateway ?? "")), ("IPAddress", .text(network?.address ?? "")),
            ("IPPrefixLen", .integer(Int64(network?.prefixLength ?? 0))), ("IPv6Gateway", .text("")),
            ("GlobalIPv6Address", .text("")), ("GlobalIPv6PrefixLen", .integer(0)),
            ("MacAddress", .text(network?.macAddress ?? "")),
        ]
        var shown = network?.ports ?? []
        for index in shown.indices where shown[index].hostAddress.isEmpty { shown[index].hostAddress = "0.0.0.0" }
        let endpoint: [(String, TemplateValue)] = [
            ("IPAMConfig", nothing), ("Links", emptyList), ("Aliases", emptyList), ("NetworkID", .text("")),
            ("EndpointID", .text("")),
        ]
        let members = endpoint + address + [("DriverOpts", emptyMap)]
        let networks = [record.configuration.network.rawValue: document(members)]
        return document(
            [("Ports", bindings(shown))] + address + [("Networks", .map(networks, missing: .nothing))]
        )
    }
}

extension ImageStore {
    /// The bytes of an image; 0 of one that is gone.
    func size(of id: Digest?) async throws -> Int64 {
        guard let id else { return 0 }
        return try await image(id: id)?.size ?? 0
    }
}
