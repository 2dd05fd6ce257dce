internal import DockerObjects
internal import GoTemplate
internal import Images
internal import LinuxSystem
internal import OCI
internal import RPC
internal import Text

extension DockerDoor {
    static let imageRoutes: [Route] = [
        Route("GET", "/images/json") { try await $0.listImages($1) },
        Route("POST", "/images/create") { try await $0.createImage($1) },
        Route("POST", "/images/load") { try await $0.loadImages($1) },
        Route("POST", "/images/prune") { try await $0.pruneImages($1) },
        Route("GET", "/images/get") { try await $0.saveImages($1, $1.query.all("names")) },
        lacking("GET", "/images/search", "searching for images"),
        Route("GET", "/images/{name*}/json") { try await $0.inspectImage($1) },
        Route("GET", "/images/{name*}/history") { try await $0.imageHistory($1) },
        Route("GET", "/images/{name*}/get") { try await $0.saveImages($1, [$1["name"]]) },
        Route("POST", "/images/{name*}/tag") { try await $0.tagImage($1) },
        Route("POST", "/images/{name*}/push") { try await $0.pushImage($1) },
        lacking("GET", "/images/{name*}/attestations", "listing what is said of images"),
        Route("DELETE", "/images/{name*}") { try await $0.removeImage($1) },
        lacking("GET", "/distribution/{name*}/json", "looking at images of registries"),
        lacking("POST", "/commit", "making images of containers"),
    ]

    // MARK: Looking

    /// `GET /images/json`.
    private func listImages(_ call: DockerCall) async throws -> WebAnswer {
        var filters = try call.filters()
        // As before version 1.41.
        if !call.query["filter"].isEmpty { filters.append("reference=\(call.query["filter"])") }
        let filter = try ImageFilter(parsing: filters, accepted: ImageFilter.forListing, now: currentTime())
        let showsShared = call.query.truth("shared-size")
        let images = try await engine.images.list(filter)
        return .json(200, .array(images.map { Self.document($0, showsShared: showsShared, for: call.version) }))
    }

    static func document(_ image: ImageSummary, showsShared: Bool, for version: APIVersion) -> JSONValue {
        func names(_ references: [ImageReference], else none: String) -> JSONValue {
            // Before version 1.43 there was a word for none.
            let isNamed = !image.names.isEmpty || !image.repositoryDigests.isEmpty || version >= APIVersion(1, 43)
            return .array(isNamed ? references.map { .string($0.familiar) } : [.string(none)])
        }
        var members: [JSONValue.Member] = [
            .init("Containers", .number(-1)), .init("Created", .number(Int(image.created ?? 0))),
            .init("Id", .string(image.id.description)),
            .init("Labels", image.labels.isEmpty ? .null : .object(sorting: image.labels.mapValues { .string($0) })),
            .init("ParentId", .string("")),
            .init("RepoDigests", names(image.repositoryDigests, else: "<none>@<none>")),
            .init("RepoTags", names(image.names, else: "<none>:<none>")),
            .init("SharedSize", .number(showsShared ? Int(image.sharedSize) : -1)),
            .init("Size", .number(Int(image.size))),
        ]
        if version < APIVersion(1, 44) { members.append(.init("VirtualSize", .number(Int(image.size)))) }
        return .object(members)
    }

    /// `GET /images/{name}/json`.
    private func inspectImage(_ call: DockerCall) async throws -> WebAnswer {
        let image = try await engine.images.inspect(call["name"], platform: try call.platform())
        return .json(200, InspectionDocument.image(image))
    }

    /// `GET /images/{name}/history`.
    private func imageHistory(_ call: DockerCall) async throws -> WebAnswer {
        let rows = try await engine.images.history(call["name"], platform: try call.platform())
        let document = rows.map { row in
            JSONValue.object([
                .init("Comment", .string(row.comment)), .init("Created", .number(Int(row.created ?? 0))),
                .init("CreatedBy", .string(row.createdBy)), .init("Id", .string(row.id ?? "<missing>")),
                .init("Size", .number(Int(row.size))),
                .init("Tags", row.tags.isEmpty ? .null : .array(row.tags.map { .string($0) })),
            ])
        }
        return .json(200, .array(document))
    }

    // MARK: Changing

    /// `POST /images/{name}/tag`.
    private func tagImage(_ call: DockerCall) async throws -> WebAnswer {
        let repository = call.query["repo"]
        let tag = call.query["tag"]
        try await engine.images.tag(call["name"], as: tag.isEmpty ? repository : "\(repository):\(tag)")
        return WebAnswer(status: 201)
    }

    /// `DELETE /images/{name}`.
    private func removeImage(_ call: DockerCall) async throws -> WebAnswer {
        let removals = try await engine.images.remove(call["name"], force: call.query.truth("force"))
        return .json(200, .array(removals.map(Self.document)))
    }

    private static func document(_ removal: ImageRemoval) -> JSONValue {
        switch removal {
        case .untagged(let name): .object([.init("Untagged", .string(name))])
        case .deleted(let digest): .object([.init("Deleted", .string(digest.description))])
        }
    }

    /// `POST /images/prune`.
    private func pruneImages(_ call: DockerCall) async throws -> WebAnswer {
        let filter = try ImageFilter(
            parsing: try call.filters(),
            accepted: ImageFilter.forPruning,
            now: currentTime()
        )
        let pruned = try await engine.images.prune(all: filter.dangling == false, filter: filter)
        let removals = pruned.removals.map(Self.document)
        return .json(
            200,
            .object([
                .init("ImagesDeleted", removals.isEmpty ? .null : .array(removals)),
                .init("SpaceReclaimed", .number(Int(pruned.reclaimed))),
            ])
        )
    }

    // MARK: Archives

    /// `GET /images/get` and `GET /images/{name}/get`.
    private func saveImages(_ call: DockerCall, _ names: [String]) async throws -> WebAnswer {
        let platforms = try call.platforms()
        // Known before the first byte, as after it no error can be told.
        for name in names { _ = try await engine.images.image(name) }
        return WebAnswer.streaming("application/x-tar") {
            [archiver = engine.archiver] in
            try await $0.send { try await archiver.save(names, to: $0, platforms: platforms) }
        }
    }

    /// `POST /images/load`.
    private func loadImages(_ call: DockerCall) async throws -> WebAnswer {
        let platforms = try call.platforms()
        let loaded = try await call.body.read { [archiver = engine.archiver] in
            try await archiver.load($0, platforms: platforms)
        }
        let lines = loaded.flatMap(\.lines).flatMap { MessageLine.text($0 + "\n").bytes }
        return .json(200, lines)
    }
}

extension DockerCall {
    /// The parameter `platform`: `os/architecture`, or a document as later versions have it; nil where it is not given.
    func platform() throws -> Platform? { try platforms().first }

    /// The same where there may be several.
    func platforms() throws -> [Platform] {
        try query.all("platform").filter { !$0.isEmpty }.map { text in
            guard text.first == "{" else { return try Platform(parsing: text) }
            let fields = try DocumentFields(parsing: Array(text.utf8))
            return Platform(
                os: try fields.text("os") ?? "linux",
                architecture: try fields.text("architecture") ?? Platform.current.architecture,
                variant: try fields.text("variant")
            )
        }
    }
}

extension WebAnswer {
    /// A document as `inspect` has it.
    static func json(_ status: Int, _ document: TemplateValue) -> WebAnswer {
        .json(status, Array((document.json() + "\n").utf8))
    }
}
