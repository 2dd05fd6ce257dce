internal import BuildCache
internal import Containers
internal import DockerObjects
internal import GoTemplate
internal import Images
internal import LinuxSystem
internal import RPC
internal import Snapshots
internal import Storage
internal import Text

extension DockerDoor {
    /// `GET /system/df`.
    func diskUsage(_ call: DockerCall) async throws -> WebAnswer {
        let types = call.query.all("type").filter { !$0.isEmpty }
        func isWanted(_ type: String) -> Bool { types.isEmpty || types.contains(type) }
        var members: [JSONValue.Member] = []
        if isWanted("image") {
            let usage = try await engine.store.diskUsage()
            let images = try await engine.images.list()
            members.append(.init("LayersSize", .number(Int(usage.imageLayers + usage.blobs))))
            members.append(.init("Images", .array(images.map { Self.usage(of: $0, for: call.version) })))
        }
        if isWanted("container") {
            var documents: [JSONValue] = []
            for record in try await engine.containers.list() {
                documents.append(try await document(record, showsSize: true).jsonValue)
            }
            members.append(.init("Containers", .array(documents)))
        }
        if isWanted("volume") {
            var documents: [JSONValue] = []
            for volume in try await VolumeUsage.all(engine.containers) { documents.append(volume.document) }
            members.append(.init("Volumes", .array(documents)))
        }
        if isWanted("build-cache") {
            let cache = try await engine.store.buildCache()
            members.append(.init("BuildCache", .array(cache.map(Self.document))))
            members.append(.init("BuilderSize", .number(0)))
        }
        return .json(200, JSONValue.object(members))
    }

    private static func usage(of image: ImageSummary, for version: APIVersion) -> JSONValue {
        guard case .object(let members) = document(image, showsShared: true, for: version) else { return .null }
        return .object(
            members.map { member in
                member.name == "Containers" ? .init("Containers", .number(image.containers)) : member
            }
        )
    }

    private static func document(_ record: CacheUsage) -> JSONValue {
        .object([
            .init("ID", .string("\(record.id)")),
            .init("Parents", .array(record.parents.map { .string("\($0)") })),
            .init("Type", .string("regular")), .init("Description", .string(record.name)),
            .init("InUse", .bool(false)), .init("Shared", .bool(record.isShared)),
            .init("Size", .number(Int(record.size))),
            .init("CreatedAt", .string(FileTime(seconds: record.created).rfc3339)),
            .init("LastUsedAt", .string(FileTime(seconds: record.lastUsed).rfc3339)),
            .init("UsageCount", .number(record.usageCount)),
        ])
    }

    /// `POST /build/prune`.
    func pruneBuildCache(_ call: DockerCall) async throws -> WebAnswer {
        var pruning = CachePruning()
        pruning.all = call.query.truth("all")
        pruning.keepBytes = try call.query.number("keep-storage") ?? call.query.number("reserved-space")
        for filter in try call.filters() {
            let parts = filter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            switch (parts[0], parts.count > 1 ? parts[1] : "") {
            case ("until", let text), ("unused-for", let text):
                guard let moment = WrittenMoment(text) else { throw FilterError.unknown(filter) }
                pruning.unusedSince = FileTime(moment, now: .now()).seconds
            default: throw FilterError.unknown(parts[0])
            }
        }
        let pruned = try await engine.store.pruneBuildCache(pruning)
        return .json(
            200,
            JSONValue.object([
                .init("CachesDeleted", .array(pruned.records.map { .string("\($0.id)") })),
                .init("SpaceReclaimed", .number(Int(pruned.garbage.bytes))),
            ])
        )
    }
}

extension VolumeUsage {
    /// As the engine has it.
    fileprivate var document: JSONValue {
        guard case .object(let members) = InspectionDocument.volume(volume).jsonValue else { return .null }
        let usage = JSONValue.object([.init("RefCount", .number(links)), .init("Size", .number(Int(size)))])
        return .object(members + [.init("UsageData", usage)])
    }
}
