import BuildEngine
import BuildKitProto
import LLB
import LinuxSystem
import OCI
import Operations
import Snapshots
import Text

/// Containers in which a frontend or a client runs processes of its own.
extension BuildJob {
    func makeContainer(_ question: Moby_Buildkit_V1_Frontend_NewContainerRequest) async throws {
        var mounts: [StepContainer.Plan.Mount] = []
        for message in question.mounts {
            let mount = try ProcessMessages.mount(message)
            let id = String(decoding: message.resultID, as: UTF8.self)
            let files: BuildOutput? = id.isEmpty ? nil : .tree(try await files(of: id))
            var planned = StepContainer.Plan.Mount(mount.kind, of: files, at: mount.destination)
            planned.selector = mount.selector
            planned.isReadOnly = mount.isReadOnly
            mounts.append(planned)
        }
        var plan = StepContainer.Plan(mounts: mounts)
        plan.network = try ProcessMessages.network(question.network)
        plan.hostname = Array(question.hostname.utf8)
        plan.extraHosts = question.extraHosts.map {
            HostAddress(host: [UInt8]($0.host), address: [UInt8]($0.ip))
        }
        if question.hasPlatform { plan.platform = Platform(question.platform) }
        let container = try await GatewayContainer.make(plan, in: build)
        do {
            try containers.add(container, as: question.containerID)
        } catch {
            try await container.release()
            throw error
        }
    }

    func readContainerFile(
        _ question: Moby_Buildkit_V1_Frontend_ReadFileRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_ReadFileResponse {
        try await Self.read(question, in: mountedFiles(question.mountIndex, of: question.ref))
    }

    func readContainerDirectory(
        _ question: Moby_Buildkit_V1_Frontend_ReadDirRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_ReadDirResponse {
        try await Self.entries(question, in: mountedFiles(question.mountIndex, of: question.ref))
    }

    func containerStatus(
        _ question: Moby_Buildkit_V1_Frontend_StatFileRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_StatFileResponse {
        try await Self.status(question, in: mountedFiles(question.mountIndex, of: question.ref))
    }

    private func mountedFiles(_ number: Int32, of container: String) async throws -> RootedDirectory {
        try await containers[container].files(ofMount: Int(number))
    }
}
