internal import DockerfileFrontend
internal import Images
internal import LinuxSystem
internal import OCI
internal import RPC
internal import Registry
internal import Settings
internal import Text

extension DockerDoor {
    /// `POST /images/create`: a pull, or an image of an archive.
    func createImage(_ call: DockerCall) async throws -> WebAnswer {
        let platform = try call.platform()
        guard call.query["fromSrc"].isEmpty else { return try await importImage(call, platform) }
        let given = call.query["fromImage"]
        var reference = try ImageReference(parsing: given)
        let tag = call.query["tag"]
        if !tag.isEmpty {
            reference = try ImageReference(parsing: reference.repository + (tag.contains(":") ? "@" : ":") + tag)
        }
        let name = reference
        let source = try RegistryAuthentication.source(call.header("X-Registry-Auth"), for: name)
        return WebAnswer.streaming { [engine] writer in
            let remote = try await engine.remote(source)
            try await TransferMessages.send(to: writer) { events in
                // Without a tag all are meant; clients that mean `latest` say so.
                let names =
                    name.tag == nil && name.digest == nil
                    ? try await remote.client.tags(of: Repository(name)).map { name.replacing(tag: $0) } : [name]
                for name in names { try await remote.pull(name, platform: platform ?? .current, events: events) }
                return []
            }
        }
    }

    private func importImage(_ call: DockerCall, _ platform: Platform?) async throws -> WebAnswer {
        guard call.query["fromSrc"] == "-" else { throw DockerAPIError.notYet("importing from an address") }
        var name: ImageReference?
        if !call.query["repo"].isEmpty {
            let tag = call.query["tag"]
            name = try ImageReference(parsing: call.query["repo"] + (tag.isEmpty ? "" : ":" + tag)).withDefaultTag
        }
        let defaults = try await ImageChanges.apply(call.query.all("changes").filter { !$0.isEmpty })
        let message = call.query["message"]
        let (archiver, target) = (engine.archiver, name)
        let id = try await call.body.read { file in
            try await archiver.importFileSystem(
                file,
                name: target,
                defaults: defaults,
                message: message,
                platform: platform ?? .current,
                created: .now()
            )
        }
        return .json(200, MessageLine.status(id.description).bytes)
    }

    /// `POST /images/{name}/push`.
    func pushImage(_ call: DockerCall) async throws -> WebAnswer {
        let platform = try call.platform()
        var reference = try ImageReference(parsing: call["name"])
        if !call.query["tag"].isEmpty { reference = reference.replacing(tag: call.query["tag"]) }
        let name = reference
        let source = try RegistryAuthentication.source(call.header("X-Registry-Auth"), for: name)
        let names =
            name.tag == nil && name.digest == nil
            ? try await engine.images.names(inRepository: name.repository) : [name]
        if names.isEmpty { throw DockerAPIError.nothingToPush(name.familiarRepository) }
        return WebAnswer.streaming { [engine] writer in
            let remote = try await engine.remote(source)
            try await TransferMessages.send(to: writer) { events in
                var pushed: [MessageLine] = []
                for name in names {
                    pushed.append(.pushed(try await remote.push(name, platform: platform, events: events)))
                }
                return pushed
            }
        }
    }
}

extension MessageLine {
    /// What a push has put where.
    static func pushed(_ image: PushedImage) -> MessageLine {
        MessageLine([
            .init("progressDetail", .object([])),
            .init(
                "aux",
                .object([
                    .init("Tag", .string(image.reference.tag ?? "")),
                    .init("Digest", .string(image.digest.description)), .init("Size", .number(Int(image.size))),
                ])
            ),
        ])
    }

    /// What is done.
    static func status(_ text: String) -> MessageLine { MessageLine([.init("status", .string(text))]) }

    /// What happens to something, which replaces what was said of it.
    static func progress(_ event: TransferEvent) -> MessageLine {
        switch event {
        case .line(let text): return .status(text)
        case .layer(let digest, let step):
            let progress = step.progress.map { current, total in
                [JSONValue.Member("current", .number(Int(current))), .init("total", .number(Int(total)))]
            }
            return MessageLine([
                .init("status", .string(step.words)), .init("progressDetail", .object(progress ?? [])),
                .init("id", .string(digest.short)),
            ])
        }
    }
}
