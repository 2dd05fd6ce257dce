package import Containers
package import GoTemplate
internal import LinuxSystem
internal import OCI
internal import Sandboxes
internal import SystemPackage
internal import Text

extension InspectionDocument {
    /// The document of a container.
    /// - Parameters:
    ///   - record: the container.
    ///   - containers: where it is kept.
    ///   - imageSize: how large its image is; nil leaves sizes out.
    ///   - executions: the ids of processes that run in it beside its own.
    /// - Returns: the document.
    /// - Throws: what measuring it throws.
    package static func container(
        _ record: ContainerRecord,
        in containers: ContainerStore,
        sizeOfImage imageSize: Int64?,
        executions: [String] = []
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
            ("ExecIDs", executions.isEmpty ? emptyList : .texts(executions)),
            ("HostConfig", hostConfiguration(configuration)),
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
