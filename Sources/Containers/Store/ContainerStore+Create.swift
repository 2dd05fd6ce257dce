import FoundationEssentials
import LinuxSystem
import OCI
import Sandboxes
import Snapshots
import Storage
import SystemPackage
import Text

extension ContainerStore {
    /// Makes a container that does not run yet.
    /// - Throws: `ContainerError.nameInUse`, `.invalidName`, `.noCommand`, `.limitsRefused`, `.cannotRun`.
    package func create(_ given: ContainerRequest) async throws -> ContainerRecord {
        guard snapshots.level.mounts else { throw ContainerError.cannotRun(snapshots.level) }
        var request = given
        if !request.options.resources.isUnlimited, let reason = ControlGroup.obstacle(at: privileges.level) {
            throw ContainerError.limitsRefused(reason)
        }
        if request.network == .host, request.hostname == nil {
            // As in docker, the host's network has the host's name.
            let name = try await onBlockingPool {
                try OpenFile.open("/proc/sys/kernel/hostname", .readOnly).readToEnd(limit: 256)
            }
            request.hostname = String(decoding: name, as: UTF8.self).split(separator: "\n").first.map(String.init)
        }
        if let name = request.name {
            request.name = name.isEmpty ? nil : ContainerNames.withoutSlash(name)
            guard request.name.map(ContainerNames.isValid) ?? true else { throw ContainerError.invalidName(name) }
        }
        // The same mount given twice is one, as docker has it.
        var mounts: Set<ContainerMount> = []
        request.mounts = request.mounts.filter { mounts.insert($0).inserted }
        let id = ContainerNames.makeID()
        let configuration = try Self.configuration(for: request, id: id)
        // It moves to its place when the database knows it, so that none that is being made looks like one that is left
        // over.
        let draft = try await onBlockingPool { [store] in
            let draft = try store.temporaryDirectory()
            for part in ["fs", "work", "root", "exits"] { try HostFiles.createDirectory(draft.appending(part)) }
            return draft
        }
        do {
            let made = try await withVolumeLock {
                try await makeVolumes(of: configuration.mounts)
                return try await store.withLease { lease in
                    try await lease.hold(configuration.layers.map { .layer($0) })
                    try await store.flush(configuration.layers.map { .layer($0) })
                    return try await insert(request, id, configuration, draft)
                }
            }
            await tell(.create, of: made)
            return made
        } catch {
            let directory = directory(of: id)
            try await onBlockingPool {
                try removeTree(draft)
                try removeTree(directory)
            }
            throw error
        }
    }

    private func insert(
        _ request: ContainerRequest,
        _ id: String,
        _ configuration: ContainerConfiguration,
        _ draft: FilePath
    ) async throws -> ContainerRecord {
        let text = try Self.encode(configuration)
        let state = ContainerState()
        let stateText = try Self.encode(state)
        let now = currentTime()
        let directory = directory(of: id)
        let name = try await store.database.write { db in
            var name = request.name ?? ContainerNames.makeName()
            while let owner = try ContainerTable.id(named: name, in: db) {
                guard request.name == nil else { throw ContainerError.nameInUse(name: name, id: owner) }
                name = "\(ContainerNames.makeName())\(Int.random(in: 0..<100))"
            }
            let row = ContainerTable.Container(
                id: id,
                name: name,
                image: request.image.id.description,
                imageName: request.imageName,
                created: now,
                running: false,
                configuration: text,
                state: stateText
            )
            try ContainerTable.insert(row, layers: configuration.layers, in: db)
            try HostFiles.rename(draft, to: directory)
            return name
        }
        return ContainerRecord(id: id, name: name, created: now, configuration: configuration, state: state)
    }

    /// Joins what is asked for with what the image says.
    static func configuration(for request: ContainerRequest, id: String) throws -> ContainerConfiguration {
        let defaults = request.image.defaults
        let entrypoint = request.entrypoint ?? defaults.entrypoint ?? []
        let command = request.command.isEmpty && request.entrypoint == nil ? defaults.command ?? [] : request.command
        let arguments = entrypoint.filter { !($0.isEmpty && entrypoint.count == 1) } + command
        guard !arguments.isEmpty else { throw ContainerError.noCommand }
        try check(request)
        let hostname = request.hostname ?? String(id.prefix(12))
        var environment = defaults.environment ?? []
        if !environment.contains(where: { $0.hasPrefix("PATH=") }) {
            environment.insert("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", at: 0)
        }
        if !hostname.isEmpty { environment.append("HOSTNAME=\(hostname)") }
        if request.hasTerminal { environment.append("TERM=xterm") }
        environment = merged(environment, with: request.environment)
        var mounts = request.mounts
        let taken = Set(mounts.map(\.target))
        for target in (defaults.volumes ?? [:]).keys.sorted() where !taken.contains(target) {
            mounts.append(ContainerMount(.volume(name: ContainerNames.makeID(), isAnonymous: true), at: target))
        }
        var options = request.options
        options.entrypoint = entrypoint
        options.command = command
        let exposed = Set(options.exposedPorts + (defaults.exposedPorts ?? [:]).keys.map(\.self))
        options.exposedPorts = exposed.sorted()
        options.healthcheck = healthcheck(request.healthcheck, defaults.healthcheck)
        options.declaredVolumes = mounts.compactMap { mount in
            if case .volume(_, true) = mount.kind { mount.target } else { nil }
        }
        for mount in mounts { try mount.checkTarget() }
        // Known to be right before anything is made.
        _ = try options.capabilities(available: Set(Capability.allCases))
        return ContainerConfiguration(
            imageName: request.imageName,
            imageID: request.image.id,
            layers: request.image.layers,
            arguments: arguments,
            environment: environment,
            workingDirectory: [request.workingDirectory, defaults.workingDirectory].compactMap(\.self)
                .first { !$0.isEmpty } ?? "/",
            user: request.user ?? defaults.user ?? "",
            hostname: hostname,
            network: request.network,
            ports: request.ports + (request.publishesExposedPorts ? publishedPorts(options.exposedPorts) : []),
            mounts: mounts,
            labels: (defaults.labels ?? [:]).merging(request.labels) { $1 },
            hasTerminal: request.hasTerminal,
            keepsInput: request.keepsInput,
            isRemovedAtEnd: request.isRemovedAtEnd,
            stopSignal: request.stopSignal ?? defaults.stopSignal,
            stopTimeout: request.stopTimeout,
            options: options
        )
    }

    /// Variables with others after them, which replace those of the same name; of several of one name the last counts.
    private static func merged(_ variables: [String], with others: [String]) -> [String] {
        func name(_ variable: String) -> [UInt8] { Array(variable.utf8.prefix { $0 != "=" }) }
        var last: [[UInt8]: Int] = [:]
        for (position, variable) in others.enumerated() { last[name(variable)] = position }
        return variables.filter { last[name($0)] == nil }
            + others.enumerated().filter { last[name($0.element)] == $0.offset }.map(\.element)
    }

    private static func check(_ request: ContainerRequest) throws(ContainerError) {
        if let directory = request.workingDirectory, !directory.isEmpty, !directory.hasPrefix("/") {
            throw .invalidWorkingDirectory(directory)
        }
        var targets: Set<FilePath> = []
        for mount in request.mounts {
            let target = FilePath(mount.target).lexicallyNormalized()
            guard targets.insert(target).inserted else { throw .duplicateMountPoint(target.string) }
        }
    }

    private static func publishedPorts(_ exposed: [String]) -> [PublishedPort] {
        exposed.flatMap { (try? PublishedPort.parse($0)) ?? [] }
    }

    /// As docker: each field that is not given is the image's.
    private static func healthcheck(_ given: Healthcheck?, _ image: Healthcheck?) -> Healthcheck? {
        guard var joined = given else { return image }
        joined.test = joined.test ?? image?.test
        joined.interval = joined.interval ?? image?.interval
        joined.timeout = joined.timeout ?? image?.timeout
        joined.startPeriod = joined.startPeriod ?? image?.startPeriod
        joined.startInterval = joined.startInterval ?? image?.startInterval
        joined.retries = joined.retries ?? image?.retries
        return joined
    }
}

extension ContainerMount {
    /// Files in `/proc` that docker's runtime lets be covered.
    private static let covered: Set<FilePath> = [
        "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime",
        "/proc/loadavg", "/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid",
        "/proc/sys/crypto/fips_enabled",
    ]

    /// Refuses what would hide the kernel's own files from programs that trust them, as docker's runtime does.
    func checkTarget() throws(ContainerError) {
        let path = FilePath("/").pushing(FilePath(target)).lexicallyNormalized()
        guard path.starts(with: "/proc"), !Self.covered.contains(path) else { return }
        if case .bind("/proc") = kind, path == "/proc" { return }
        throw .mountOverKernelFiles(target)
    }
}
