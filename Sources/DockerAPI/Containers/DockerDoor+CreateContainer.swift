internal import Containers
internal import DockerObjects
internal import Images
internal import LinuxSystem
internal import OCI
internal import RPC
internal import Sandboxes
internal import Storage
internal import Text

extension DockerDoor {
    /// `POST /containers/create`.
    func createContainer(_ call: DockerCall) async throws -> WebAnswer {
        let fields = try await call.document()
        let name = call.query["name"]
        let wanted = try ContainerDocument(fields)
        let platform = try call.platform()
        let (record, warnings) = try await engine.store.withLease { _ in
            let image = try await engine.images.image(wanted.imageName, platform: platform)
            try await Self.checkPlatform(of: image)
            var request = wanted.request(
                for: ImageToRun(
                    id: image.id,
                    defaults: image.configuration.config ?? ContainerDefaults(),
                    layers: image.layers
                )
            )
            request.name = name.isEmpty ? nil : name
            request.mounts = try await wanted.volumesFrom.joining(request.mounts, in: engine.containers)
            let (resources, level) = (request.options.resources, engine.level)
            var warnings = await onBlockingPool { ContainerLimits.warnings(for: resources, at: level) }
            if request.network == .host, !request.ports.isEmpty {
                warnings.append("Published ports are discarded when using host network mode")
            }
            return (try await engine.containers.create(request), warnings)
        }
        return .json(
            201,
            .object([
                .init("Id", .string(record.id)), .init("Warnings", .array(warnings.map { .string($0) })),
            ])
        )
    }

    /// Refuses an image whose programs cannot run here.
    private static func checkPlatform(of image: ImageRecord) async throws {
        let host = Platform.current
        let offered = image.configuration.platform.normalized
        let emulation = Emulation(machine: host.architecture)
        let answer = try await onBlockingPool {
            try emulation.answer(os: offered.os, architecture: offered.architecture)
        }
        if case .obstacle(let reason) = answer {
            throw SandboxError.foreignPlatform("\(offered)", machine: "\(host)", reason: reason)
        }
    }
}
