internal import Containers
internal import DockerObjects
internal import GoTemplate
internal import Images
internal import LinuxSystem
internal import OCI
internal import RPC
internal import Text

extension DockerDoor {
    /// `GET /containers/json`.
    func listContainers(_ call: DockerCall) async throws -> WebAnswer {
        let filter = try ContainerFilter(try call.filters())
        var records = try await filter.select(try await engine.containers.list(), engine.containers, engine.images)
        let count = try call.query.number("limit").flatMap { $0 > 0 ? Int($0) : nil }
        if !call.query.truth("all"), count == nil, !filter.showsStopped {
            records.removeAll { $0.state.status != .running }
        }
        if let count { records = Array(records.prefix(count)) }
        var documents: [TemplateValue] = []
        for record in records { documents.append(try await document(record, showsSize: call.query.truth("size"))) }
        return .json(200, .list(documents))
    }

    /// A container as the list has it.
    func document(_ record: ContainerRecord, showsSize: Bool) async throws -> TemplateValue {
        let configuration = record.configuration
        let full = try await InspectionDocument.container(record, in: engine.containers, sizeOfImage: nil)
        var fields: [(String, TemplateValue)] = [
            ("Id", .text(record.id)), ("Names", .texts(["/" + record.name])),
            ("Image", .text(try await engine.images.shownName(of: record, isWhole: true))),
            ("ImageID", .text(configuration.imageID?.description ?? "")), ("Command", .text(record.commandText)),
            ("Created", .integer(record.created)), ("Ports", .list(Self.ports(of: record))),
        ]
        if showsSize {
            let own = try await engine.containers.size(of: record)
            let image = try await engine.images.size(of: configuration.imageID)
            fields += [("SizeRw", .integer(own)), ("SizeRootFs", .integer(own + image))]
        }
        fields += [
            ("Labels", .labels(configuration.labels)), ("State", .text(record.state.status.rawValue)),
            ("Status", .text(record.statusText(now: .now()))),
            (
                "HostConfig",
                InspectionDocument.document([("NetworkMode", .text(configuration.network.rawValue))])
            ),
            (
                "NetworkSettings",
                InspectionDocument.document([("Networks", full.member("NetworkSettings").member("Networks"))])
            ),
            ("Mounts", full.member("Mounts")),
        ]
        return InspectionDocument.document(fields)
    }

    private static func ports(of record: ContainerRecord) -> [TemplateValue] {
        guard record.state.status == .running, record.configuration.network == .bridge else { return [] }
        let published = record.state.ports
        let all =
            published
            + record.configuration.options.exposedPorts.flatMap { text in
                ((try? PublishedPort.parse(text)) ?? []).filter { port in
                    !published.contains { $0.containerEndpoint == port.containerEndpoint }
                }
            }
        return all.map { port in
            var fields: [(String, TemplateValue)] = []
            if port.hostPort != 0 {
                fields.append(("IP", .text(port.hostAddress.isEmpty ? "0.0.0.0" : port.hostAddress)))
            }
            fields.append(("PrivatePort", .integer(Int64(port.containerPort))))
            if port.hostPort != 0 { fields.append(("PublicPort", .integer(Int64(port.hostPort)))) }
            fields.append(("Type", .text(port.transport.rawValue)))
            return InspectionDocument.document(fields)
        }
    }

    /// `GET /containers/{id}/json`.
    func inspectContainer(_ call: DockerCall) async throws -> WebAnswer {
        let container = try await container(call)
        var size: Int64?
        if call.query.truth("size") { size = try await engine.images.size(of: container.configuration.imageID) }
        let document = try await InspectionDocument.container(
            container,
            in: engine.containers,
            sizeOfImage: size,
            executions: executions.running(in: container.id)
        )
        return .json(200, document)
    }

    /// `GET /containers/{id}/logs`.
    func containerLogs(_ call: DockerCall) async throws -> WebAnswer {
        let query = call.query
        guard query.truth("stdout") || query.truth("stderr") else { throw DockerAPIError.noStreams }
        let container = try await container(call)
        var selection = LogSelection()
        selection.since = try call.moment("since")
        selection.until = try call.moment("until")
        selection.tail = Int(query["tail"]).flatMap { $0 < 0 ? nil : $0 }
        selection.follows = query.truth("follow")
        let wanted = WantedOutput(
            output: query.truth("stdout"),
            errors: query.truth("stderr"),
            hasTerminal: container.configuration.hasTerminal,
            showsTimes: query.truth("timestamps"),
            showsDetails: query.truth("details")
        )
        let chosen = selection
        let type = StreamFrames.type(hasTerminal: wanted.hasTerminal, for: call.version)
        return WebAnswer.streaming(type) { [engine] writer in
            try await writer.begin()
            try await engine.containers.logs(of: container, chosen) { try await writer.write(wanted.bytes(of: $0)) }
        }
    }
}
