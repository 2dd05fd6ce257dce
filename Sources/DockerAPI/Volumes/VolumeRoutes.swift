internal import Containers
internal import DockerObjects
internal import GoTemplate
internal import RPC
internal import Text

extension DockerDoor {
    static let volumeRoutes: [Route] = [
        Route("GET", "/volumes") { try await $0.listVolumes($1) },
        Route("POST", "/volumes/create") { try await $0.createVolume($1) },
        Route("POST", "/volumes/prune") { try await $0.pruneVolumes($1) },
        Route("GET", "/volumes/{name*}") { try await $0.inspectVolume($1) },
        Route("DELETE", "/volumes/{name*}") { try await $0.removeVolume($1) },
        Route("PUT", "/volumes/{name*}") { _, _ in throw DockerAPIError.noSwarmManager },
    ]

    /// `GET /volumes`.
    private func listVolumes(_ call: DockerCall) async throws -> WebAnswer {
        let filter = try VolumeFilter(try call.filters(), accepted: ["dangling", "driver", "label", "name"])
        let users = try await engine.containers.volumeUsers()
        let volumes = try await engine.containers.listVolumes().filter {
            filter.accepts($0, isUsed: users[$0.name] != nil)
        }
        return .json(
            200,
            InspectionDocument.document([
                ("Volumes", .list(volumes.map { InspectionDocument.volume($0) })),
                ("Warnings", InspectionDocument.emptyList),
            ])
        )
    }

    /// `POST /volumes/create`.
    private func createVolume(_ call: DockerCall) async throws -> WebAnswer {
        let fields = try await call.document()
        try FieldRefusal.check(
            fields,
            [
                "driver": .init("the only driver is local", accepting: [.string("local")]),
                "driveropts": .init("mount the file system yourself and give it to containers"),
                "clustervolumespec": .init("there is no cluster"),
            ],
            known: ["name", "labels"]
        )
        let name = try fields.text("Name") ?? ""
        var labels = try fields.map("Labels")
        if name.isEmpty { labels[VolumeRecord.anonymousLabel] = "" }
        let volume = try await engine.containers.createVolume(
            name.isEmpty ? ContainerNames.makeID() : name,
            labels: labels
        )
        return .json(201, InspectionDocument.volume(volume))
    }

    /// `GET /volumes/{name}`.
    private func inspectVolume(_ call: DockerCall) async throws -> WebAnswer {
        .json(200, InspectionDocument.volume(try await engine.containers.findVolume(call["name"])))
    }

    /// `DELETE /volumes/{name}`.
    private func removeVolume(_ call: DockerCall) async throws -> WebAnswer {
        do {
            try await engine.containers.removeVolume(call["name"])
        } catch ContainerError.volumeNotFound where call.query.truth("force") {
            // What is not there is as good as removed.
        }
        return .noContent
    }

    /// `POST /volumes/prune`.
    private func pruneVolumes(_ call: DockerCall) async throws -> WebAnswer {
        let filter = try VolumeFilter(try call.filters(), accepted: ["label", "label!", "all"])
        // Before version 1.42 those with a name went too.
        let includesNamed = filter.includesNamed ?? (call.version < APIVersion(1, 42))
        let pruned = try await engine.containers.pruneVolumes { volume in
            (includesNamed || volume.isAnonymous) && filter.accepts(volume)
        }
        return .json(
            200,
            .object([
                .init("VolumesDeleted", pruned.names.isEmpty ? .null : .array(pruned.names.map { .string($0) })),
                .init("SpaceReclaimed", .number(Int(pruned.bytes))),
            ])
        )
    }
}
