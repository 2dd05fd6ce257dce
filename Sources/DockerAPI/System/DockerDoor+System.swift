internal import LinuxSystem
internal import RPC
internal import Text

extension DockerDoor {
    /// `/_ping`: that the daemon is there, and that it builds with BuildKit.
    var ping: WebAnswer {
        WebAnswer(
            status: 200,
            headers: [
                ("Builder-Version", "2"), ("Cache-Control", "no-cache, no-store, must-revalidate"),
                ("Content-Type", "text/plain; charset=utf-8"), ("Pragma", "no-cache"),
            ],
            body: Array("OK".utf8)
        )
    }

    /// `GET /version`.
    func version() async -> WebAnswer {
        let details: [JSONValue.Member] = [
            .init("ApiVersion", .string("\(APIVersion.latest)")),
            .init("MinAPIVersion", .string("\(APIVersion.oldest)")),
            .init("Os", .string("linux")),
            .init("Arch", .string(facts.architecture)),
            .init("KernelVersion", .string(facts.machine.kernelRelease)),
        ]
        let component = JSONValue.object([
            .init("Name", .string("Engine")),
            .init("Version", .string(facts.version)),
            .init("Details", .object(details)),
        ])
        return .json(
            200,
            .object(
                [
                    .init("Platform", .object([.init("Name", .string("Slipway"))])),
                    .init("Components", .array([component])),
                    .init("Version", .string(facts.version)),
                ] + details
            )
        )
    }

    /// `GET /info`.
    ///
    /// What Docker's document has and Slipway does not know is left out.
    func info() async throws -> WebAnswer {
        let counts = try await facts.counts()
        let machine = facts.machine
        return .json(
            200,
            .object([
                .init("ID", .string(facts.id)),
                .init("Containers", .number(counts.runningContainers + counts.stoppedContainers)),
                .init("ContainersRunning", .number(counts.runningContainers)),
                .init("ContainersPaused", .number(0)),
                .init("ContainersStopped", .number(counts.stoppedContainers)),
                .init("Images", .number(counts.images)),
                .init("SystemTime", .string(FileTime(seconds: currentTime()).rfc3339)),
                .init("KernelVersion", .string(machine.kernelRelease)),
                .init("OperatingSystem", .string(machine.system)),
                .init("OSType", .string("linux")),
                .init("Architecture", .string(machine.architecture)),
                .init("NCPU", .number(machine.processors)),
                .init("MemTotal", .number(Int(machine.memory))),
                .init("DockerRootDir", .string(facts.root)),
                .init("Name", .string(facts.hostname)),
                .init("ServerVersion", .string(facts.version)),
                .init("ExperimentalBuild", .bool(false)),
            ])
        )
    }
}
