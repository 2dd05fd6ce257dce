internal import Containers
internal import GoTemplate
internal import OCI
internal import Sandboxes
internal import SystemPackage

/// `HostConfig` and `Config` of a container, with every field of docker's: what Slipway has no notion of is as docker has it unset.
extension InspectionDocument {
    private static func texts(_ list: [String]) -> TemplateValue { list.isEmpty ? emptyList : .texts(list) }

    private static func integer(_ value: Int64?) -> TemplateValue { .integer(value ?? 0) }

    static func hostConfiguration(_ configuration: ContainerConfiguration) -> TemplateValue {
        let options = configuration.options
        let temporary = configuration.mounts.filter(\.isOfTmpfsFlag).map { ($0.target, $0.writtenOptions ?? "") }
        var fields =
            hostBasics(configuration) + confinement(options) + hostLimits(options.resources)
            + [
                ("Ulimits", .list(options.limits.map(limit))), ("CpuCount", .integer(0)), ("CpuPercent", .integer(0)),
                ("IOMaximumIOps", .integer(0)), ("IOMaximumBandwidth", .integer(0)),
            ]
        var absent = [("Annotations", emptyMap), ("StorageOpt", emptyMap), ("Sysctls", emptyMap)]
        if options.usesInit { fields.append(("Init", .boolean(true))) } else { absent.append(("Init", nothing)) }
        if temporary.isEmpty {
            absent.append(("Tmpfs", emptyMap))
        } else {
            fields.append(("Tmpfs", .labels(Dictionary(temporary) { first, _ in first })))
        }
        return document(fields, absent: absent)
    }

    private static func hostBasics(_ configuration: ContainerConfiguration) -> [(String, TemplateValue)] {
        let options = configuration.options
        let binds = configuration.mounts.compactMap { mount -> String? in
            let options = mount.writtenOptions ?? (mount.isReadOnly ? "ro" : "")
            let suffix = options.isEmpty ? "" : ":" + options
            switch mount.kind {
            case .bind(let source): return "\(source.string):\(mount.target)" + suffix
            case .volume(let name, false): return "\(name):\(mount.target)" + suffix
            case .volume, .tmpfs: return nil
            }
        }
        return [
            ("Binds", texts(binds)), ("ContainerIDFile", .text("")),
            ("LogConfig", document([("Type", .text("json-file")), ("Config", .map([:], missing: .nothing))])),
            ("NetworkMode", .text(configuration.network.rawValue)), ("PortBindings", bindings(configuration.ports)),
            ("RestartPolicy", document([("Name", .text("no")), ("MaximumRetryCount", .integer(0))])),
            ("AutoRemove", .boolean(configuration.isRemovedAtEnd)), ("VolumeDriver", .text("")),
            ("VolumesFrom", emptyList), ("ConsoleSize", .list([.integer(0), .integer(0)])),
            ("CapAdd", texts(options.addedCapabilities)), ("CapDrop", texts(options.droppedCapabilities)),
            ("CgroupnsMode", .text("private")), ("Dns", .texts(options.nameServers)),
            ("DnsOptions", .texts(options.resolverOptions)), ("DnsSearch", .texts(options.searchDomains)),
            ("ExtraHosts", texts(options.hosts.map { "\($0.name):\($0.address)" })),
            ("GroupAdd", texts(options.additionalGroups)), ("IpcMode", .text("private")), ("Cgroup", .text("")),
            ("Links", emptyList), ("OomScoreAdj", .integer(0)), ("PidMode", .text("")),
        ]
    }

    private static func confinement(_ options: ContainerOptions) -> [(String, TemplateValue)] {
        let securityOptions =
            (options.gainsNoPrivileges ? ["no-new-privileges"] : [])
            + (options.confinesSystemCalls ? [] : ["seccomp=unconfined"])
            + (options.masksKernelFiles ? [] : ["systempaths=unconfined"])
        let masksFiles = options.masksKernelFiles && !options.isPrivileged
        return [
            ("Privileged", .boolean(options.isPrivileged)), ("PublishAllPorts", .boolean(false)),
            ("ReadonlyRootfs", .boolean(options.isRootReadOnly)), ("SecurityOpt", texts(securityOptions)),
            ("UTSMode", .text("")), ("UsernsMode", .text(options.userNamespace?.rawValue ?? "")),
            ("ShmSize", .integer(options.sharedMemorySize ?? ContainerOptions.defaultSharedMemorySize)),
            ("Runtime", .text("crun")), ("Isolation", .text("")),
            ("MaskedPaths", masksFiles ? .texts(SandboxConfiguration.maskedPaths) : emptyList),
            ("ReadonlyPaths", masksFiles ? .texts(SandboxConfiguration.readOnlyPaths) : emptyList),
        ]
    }

    private static func hostLimits(_ resources: ContainerResources) -> [(String, TemplateValue)] {
        let zeros = ["CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime"]
        let lists = [
            "BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps",
            "BlkioDeviceWriteIOps",
        ]
        let processes = resources.processes.map { TemplateValue.integer($0) } ?? nothing
        // Docker lets a container that has a limit swap as much again.
        let swap = resources.memory.map { $0 &* 2 }
        return [
            ("CpuShares", .integer(0)), ("Memory", integer(resources.memory)),
            ("NanoCpus", .integer(Int64((resources.processors ?? 0) * 1_000_000_000))), ("CgroupParent", .text("")),
            ("BlkioWeight", .integer(0)),
        ] + lists.map { ($0, emptyList) } + zeros.map { ($0, .integer(0)) } + [
            ("CpusetCpus", .text("")), ("CpusetMems", .text("")), ("Devices", .list([])),
            ("DeviceCgroupRules", emptyList), ("DeviceRequests", emptyList), ("MemoryReservation", .integer(0)),
            ("MemorySwap", integer(swap)), ("MemorySwappiness", nothing), ("OomKillDisable", nothing),
            ("PidsLimit", processes),
        ]
    }

    private static func limit(_ limit: ContainerOptions.Limit) -> TemplateValue {
        document([
            ("Name", .text(limit.name)), ("Hard", .integer(Int64(truncatingIfNeeded: limit.hard))),
            ("Soft", .integer(Int64(truncatingIfNeeded: limit.soft))),
        ])
    }

    static func ownConfiguration(_ record: ContainerRecord) -> TemplateValue {
        let configuration = record.configuration
        let options = configuration.options
        let exposed = record.exposedEndpoints
        let attached = options.attachedStreams ?? ["stdout", "stderr"]
        let readsOnce = configuration.keepsInput && attached.contains("stdin")
        func names(_ list: [String]) -> TemplateValue {
            let entries = list.map { ($0, document([])) }
            return .map(Dictionary(entries) { first, _ in first }, missing: .nothing)
        }
        var fields: [(String, TemplateValue)] = [
            ("Hostname", .text(configuration.hostname)), ("Domainname", .text("")), ("User", .text(configuration.user)),
            ("AttachStdin", .boolean(attached.contains("stdin"))),
            ("AttachStdout", .boolean(attached.contains("stdout"))),
            ("AttachStderr", .boolean(attached.contains("stderr"))),
        ]
        var absent: [(String, TemplateValue)] = []
        func add(_ name: String, _ value: TemplateValue?, else missing: TemplateValue) {
            if let value { fields.append((name, value)) } else { absent.append((name, missing)) }
        }
        add("ExposedPorts", exposed.isEmpty ? nil : names(exposed), else: emptyMap)
        // What docker sets when it starts a container is no part of this.
        let own = ["HOSTNAME=\(configuration.hostname)"] + (configuration.hasTerminal ? ["TERM=xterm"] : [])
        fields += [
            ("Tty", .boolean(configuration.hasTerminal)), ("OpenStdin", .boolean(configuration.keepsInput)),
            ("StdinOnce", .boolean(readsOnce)),
            ("Env", .texts(configuration.environment.filter { !own.contains($0) })),
            ("Cmd", texts(options.command ?? [])),
        ]
        add("Healthcheck", options.healthcheck.map(healthcheck), else: nothing)
        let volumes = options.declaredVolumes ?? []
        fields += [
            ("Image", .text(configuration.imageName)), ("Volumes", volumes.isEmpty ? emptyMap : names(volumes)),
            ("WorkingDir", .text(configuration.workingDirectory)), ("Entrypoint", texts(options.entrypoint ?? [])),
            ("Labels", .labels(configuration.labels)),
        ]
        add("StopSignal", configuration.stopSignal.map { .text($0) }, else: .text(""))
        let time = configuration.stopTimeout
        add("StopTimeout", time == ContainerOptions.defaultStopTimeout ? nil : .integer(Int64(time)), else: nothing)
        return document(
            fields,
            absent: absent + [("OnBuild", emptyList), ("Shell", emptyList), ("MacAddress", .text(""))]
        )
    }
}
