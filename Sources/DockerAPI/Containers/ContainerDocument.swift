package import Containers
internal import DockerObjects
internal import LinuxSystem
internal import OCI
internal import Terminal
internal import Text

/// What `POST /containers/create` asks for.
///
/// Every field means what it means to Docker's engine, or is refused by its name where it asks for what is not done.
package struct ContainerDocument: Sendable {
    let imageName: String
    let volumesFrom: [VolumesFrom]
    /// All but the image.
    private let draft: ContainerRequest
    /// Whether the image's entrypoint is dropped and its command stays.
    private let keepsCommand: Bool

    /// - Parameter bytes: the document, in JSON.
    /// - Throws: `DockerAPIError`, `ContainerError`.
    package init(parsing bytes: [UInt8]) throws { try self.init(DocumentFields(parsing: bytes)) }

    init(_ fields: DocumentFields) throws {
        try FieldRefusal.check(fields, Self.refused, known: Self.known)
        let host = try HostDocument(fields.fields("HostConfig"))
        try Self.check(networks: fields.fields("NetworkingConfig"))
        imageName = try fields.text("Image") ?? ""
        guard !imageName.isEmpty else { throw DockerAPIError.invalidField("Image", expected: "a name") }
        volumesFrom = host.volumesFrom
        var draft = ContainerRequest(
            imageName: imageName,
            image: ImageToRun(id: Digest.sha256(of: []), defaults: ContainerDefaults(), layers: [])
        )
        host.apply(to: &draft)
        try Self.take(fields, &draft)
        self.draft = draft
        keepsCommand = try fields.texts("Entrypoint") == [] && draft.command.isEmpty
    }

    /// The request for an image.
    package func request(for image: ImageToRun) -> ContainerRequest {
        var request = draft
        request.image = image
        if keepsCommand { request.command = image.defaults.command ?? [] }
        return request
    }

    private static func take(_ fields: DocumentFields, _ request: inout ContainerRequest) throws {
        request.command = try fields.texts("Cmd") ?? []
        request.entrypoint = try fields.texts("Entrypoint").map { $0 == [""] ? [] : $0 }
        request.environment = try fields.texts("Env") ?? []
        request.workingDirectory = try fields.text("WorkingDir").flatMap { $0.isEmpty ? nil : $0 }
        request.user = try fields.text("User").flatMap { $0.isEmpty ? nil : $0 }
        request.hostname = try fields.text("Hostname").flatMap { $0.isEmpty ? nil : $0 }
        request.labels = try fields.map("Labels")
        request.hasTerminal = try fields.truth("Tty")
        request.keepsInput = try fields.truth("OpenStdin")
        request.stopSignal = try fields.text("StopSignal").flatMap { $0.isEmpty ? nil : $0 }
        if let signal = request.stopSignal { _ = try ContainerStore.signal(named: signal) }
        request.stopTimeout = try fields.number("StopTimeout").map { Int($0) } ?? request.stopTimeout
        if try fields.truth("NetworkDisabled") { request.network = .none }
        let closesInput = try fields.truth("StdinOnce")
        let streams = [("AttachStdin", "stdin"), ("AttachStdout", "stdout"), ("AttachStderr", "stderr")]
        var attached = try streams.filter { try fields.truth($0.0) }.map(\.1)
        // What ends with the client that types it is attached to, whatever else is said.
        if closesInput, !attached.contains("stdin") { attached.append("stdin") }
        if !closesInput { attached.removeAll { $0 == "stdin" } }
        request.options.attachedStreams = attached
        request.options.exposedPorts = try fields.names("ExposedPorts").flatMap { text throws(ContainerError) in
            try PublishedPort.parse(text).map(\.containerEndpoint)
        }
        for target in try fields.names("Volumes").sorted()
        where !request.mounts.contains(where: { $0.target == target }) {
            request.mounts.append(try ContainerMount(parsingVolume: Array(target.utf8)))
        }
        request.healthcheck = try healthcheck(fields.fields("Healthcheck"))
    }

    private static func healthcheck(_ fields: DocumentFields) throws(DockerAPIError) -> Healthcheck? {
        if fields.meaningful.isEmpty { return nil }
        func time(_ name: String) throws(DockerAPIError) -> Int64? {
            guard let nanoseconds = try fields.number(name), nanoseconds != 0 else { return nil }
            guard nanoseconds >= 1_000_000 else {
                throw .invalidField(fields.path(name), expected: "0, or a millisecond at least,")
            }
            return nanoseconds
        }
        var check = Healthcheck(test: try fields.texts("Test").flatMap { $0.isEmpty ? nil : $0 })
        check.interval = try time("Interval")
        check.timeout = try time("Timeout")
        check.startPeriod = try time("StartPeriod")
        check.startInterval = try time("StartInterval")
        check.retries = try fields.number("Retries").flatMap { $0 == 0 ? nil : Int($0) }
        return check
    }

    /// Names of networks say what `HostConfig.NetworkMode` says; whatever else is asked of them is refused.
    private static func check(networks fields: DocumentFields) throws(DockerAPIError) {
        let endpoints = try fields.fields("EndpointsConfig")
        for name in endpoints.meaningful {
            let asked = try endpoints.fields(name).meaningful
            guard let first = asked.first else { continue }
            throw .unsupportedField(
                endpoints.path(name) + "." + first,
                reason: "addresses and names in networks cannot be chosen"
            )
        }
    }

    private static let known: Set<String> = [
        "hostname", "user", "attachstdin", "attachstdout", "attachstderr", "exposedports", "tty", "openstdin",
        "stdinonce", "env", "cmd", "healthcheck", "image", "volumes", "workingdir", "entrypoint", "networkdisabled",
        "labels", "stopsignal", "stoptimeout", "hostconfig", "networkingconfig",
        // They mean something in images alone.
        "argsescaped", "onbuild", "shell",
    ]

    private static let refused: [String: FieldRefusal] = [
        "domainname": .init("the NIS domain name of a container cannot be set"),
        "macaddress": .init("the hardware address of a container cannot be chosen"),
    ]
}

/// Why a field of a container's document is refused where it asks for something.
struct FieldRefusal: Sendable {
    let reason: String
    /// The values that ask for what is so anyway.
    let accepted: Set<JSONValue>

    init(_ reason: String, accepting accepted: Set<JSONValue> = []) {
        self.reason = reason
        self.accepted = accepted
    }

    /// - Parameters:
    ///   - fields: what is asked.
    ///   - refused: the fields that are refused, by their names in small letters.
    ///   - known: the fields that are done.
    /// - Throws: `DockerAPIError.unsupportedField`.
    static func check(
        _ fields: DocumentFields,
        _ refused: [String: FieldRefusal],
        known: Set<String>
    ) throws(DockerAPIError) {
        for name in fields.meaningful where !known.contains(name.lowercased()) {
            guard let refusal = refused[name.lowercased()] else {
                throw .unsupportedField(fields.path(name), reason: "there is no such field")
            }
            if refusal.accepted.contains(fields.value(name)) { continue }
            throw .unsupportedField(fields.path(name), reason: refusal.reason)
        }
    }
}
