internal import Containers
internal import DockerObjects
internal import LinuxSystem
internal import RPC
internal import Sandboxes
internal import Storage
internal import Text

extension DockerDoor {
    static let containerRoutes: [Route] = [
        Route("GET", "/containers/json") { try await $0.listContainers($1) },
        Route("POST", "/containers/create") { try await $0.createContainer($1) },
        Route("POST", "/containers/prune") { try await $0.pruneContainers($1) },
        Route("GET", "/containers/{id}/json") { try await $0.inspectContainer($1) },
        Route("GET", "/containers/{id}/top") { try await $0.containerProcesses($1) },
        Route("GET", "/containers/{id}/logs") { try await $0.containerLogs($1) },
        Route("POST", "/containers/{id}/start") { try await $0.startContainer($1) },
        Route("POST", "/containers/{id}/stop") { try await $0.stopContainer($1) },
        Route("POST", "/containers/{id}/restart") { try await $0.restartContainer($1) },
        Route("POST", "/containers/{id}/kill") { try await $0.killContainer($1) },
        Route("POST", "/containers/{id}/rename") { try await $0.renameContainer($1) },
        Route("POST", "/containers/{id}/wait") { try await $0.waitForContainer($1) },
        Route("POST", "/containers/{id}/attach") { try await $0.attachToContainer($1) },
        Route("POST", "/containers/{id}/resize") { try await $0.resizeContainer($1) },
        Route("HEAD", "/containers/{id}/archive") { try await $0.pathStatus($1) },
        Route("GET", "/containers/{id}/archive") { try await $0.archive($1) },
        Route("PUT", "/containers/{id}/archive") { try await $0.extract($1) },
        Route("DELETE", "/containers/{id}") { try await $0.removeContainer($1) },
        lacking("GET", "/containers/{id}/changes", "listing the changes of containers"),
        lacking("GET", "/containers/{id}/export", "exporting containers"),
        lacking("GET", "/containers/{id}/stats", "measuring containers"),
        lacking("GET", "/containers/{id}/attach/ws", "attaching over a web socket"),
        lacking("POST", "/containers/{id}/pause", "pausing containers"),
        lacking("POST", "/containers/{id}/unpause", "unpausing containers"),
        lacking("POST", "/containers/{id}/update", "changing the limits of containers"),
    ]

    /// The container that the path names.
    func container(_ call: DockerCall) async throws -> ContainerRecord {
        try await engine.containers.container(call["id"])
    }

    // MARK: The life of a container

    /// `POST /containers/{id}/start`.
    private func startContainer(_ call: DockerCall) async throws -> WebAnswer {
        let container = try await container(call)
        if container.state.status == .running { return WebAnswer(status: 304) }
        try await engine.containers.start(container)
        await attend(container)
        return .noContent
    }

    /// Has the health of a container that was started checked.
    private func attend(_ container: ContainerRecord) async {
        // One that goes with its end may be gone.
        if let current = try? await engine.containers.container(container.id) { watch.attend(current) }
    }

    /// `POST /containers/{id}/stop`.
    private func stopContainer(_ call: DockerCall) async throws -> WebAnswer {
        let container = try await container(call)
        guard container.state.status == .running else { return WebAnswer(status: 304) }
        let signal = call.query["signal"]
        try await engine.containers.stop(
            container,
            signal: signal.isEmpty ? nil : signal,
            timeout: try call.seconds("t")
        )
        return .noContent
    }

    /// `POST /containers/{id}/restart`.
    private func restartContainer(_ call: DockerCall) async throws -> WebAnswer {
        let container = try await container(call)
        try await engine.containers.restart(container, timeout: try call.seconds("t"))
        await attend(container)
        return .noContent
    }

    /// `POST /containers/{id}/kill`.
    private func killContainer(_ call: DockerCall) async throws -> WebAnswer {
        let signal = call.query["signal"]
        let name = signal.isEmpty ? "SIGKILL" : signal
        _ = try ContainerStore.signal(named: name)
        try await engine.containers.kill(try await container(call), signal: name)
        return .noContent
    }

    /// `POST /containers/{id}/rename`.
    private func renameContainer(_ call: DockerCall) async throws -> WebAnswer {
        let name = call.query["name"]
        if name.isEmpty { throw ContainerError.emptyName }
        try await engine.containers.rename(try await container(call), to: name)
        return .noContent
    }

    /// `POST /containers/{id}/wait`.
    private func waitForContainer(_ call: DockerCall) async throws -> WebAnswer {
        let text = call.query["condition"]
        guard let condition = WaitCondition(rawValue: text.isEmpty ? "not-running" : text) else {
            throw DockerAPIError.invalidCondition(text)
        }
        let position = try await engine.containers.journal.end()
        let container = try await container(call)
        return WebAnswer.streaming { [engine] writer in
            // The client goes on, and starts the container, when it knows that its question was understood.
            try await writer.begin()
            let code = try await engine.containers.wait(for: condition, of: container, after: position)
            try await writer.write(
                Array((JSONValue.object([.init("StatusCode", .number(Int(code)))]).text() + "\n").utf8)
            )
        }
    }

    /// `DELETE /containers/{id}`.
    private func removeContainer(_ call: DockerCall) async throws -> WebAnswer {
        if call.query.truth("link") { throw DockerAPIError.notYet("removing links of containers") }
        try await engine.containers.remove(
            try await container(call),
            force: call.query.truth("force"),
            removesVolumes: call.query.truth("v")
        )
        return .noContent
    }

    /// `POST /containers/prune`.
    private func pruneContainers(_ call: DockerCall) async throws -> WebAnswer {
        let filter = try ContainerPruneFilter(try call.filters(), now: currentTime())
        let pruned = try await engine.containers.prune { filter.accepts($0) }
        return .json(
            200,
            .object([
                .init("ContainersDeleted", pruned.ids.isEmpty ? .null : .array(pruned.ids.map { .string($0) })),
                .init("SpaceReclaimed", .number(Int(pruned.bytes))),
            ])
        )
    }

    /// `GET /containers/{id}/top`.
    private func containerProcesses(_ call: DockerCall) async throws -> WebAnswer {
        let given = call.query["ps_args"].split(separator: " ").map(String.init)
        let table = try await ProcessTable(
            of: try await container(call),
            in: engine.containers,
            options: given.isEmpty ? ["-ef"] : given
        )
        func texts(_ list: [String]) -> JSONValue { .array(list.map { .string($0) }) }
        return .json(
            200,
            .object([.init("Titles", texts(table.titles)), .init("Processes", .array(table.rows.map(texts)))])
        )
    }

    /// `POST /containers/{id}/resize`.
    private func resizeContainer(_ call: DockerCall) async throws -> WebAnswer {
        try await engine.containers.resize(try await container(call), to: try call.terminalSize())
        return WebAnswer(status: 200)
    }
}

extension DockerCall {
    /// A number of seconds; nil where it is not given.
    func seconds(_ name: String) throws(DockerAPIError) -> Int? {
        let text = query[name]
        if text.isEmpty { return nil }
        guard let number = Int(text) else { throw .invalidNumber(parameter: name, value: text) }
        return number
    }

    /// The parameters `h` and `w`.
    func terminalSize() throws(DockerAPIError) -> TerminalSize {
        func number(_ name: String) throws(DockerAPIError) -> UInt16 {
            guard let number = UInt16(query[name]) else { throw .invalidNumber(parameter: name, value: query[name]) }
            return number
        }
        return TerminalSize(rows: try number("h"), columns: try number("w"))
    }
}
