internal import Images
internal import LinuxSystem
internal import OCI
internal import Sandboxes
internal import Terminal

extension ContainerFlags {
    /// Refuses an image whose programs cannot run here, and says where one is for another platform than anybody asked for.
    func checkPlatform(of image: ImageRecord, _ environment: SlipwayEnvironment) async throws {
        let host = Platform.current
        let offered = image.configuration.platform.normalized
        let isAsked = try platform != nil || !environment.defaultPlatforms().isEmpty
        if !isAsked, offered.os != host.os || offered.architecture != host.architecture {
            try await environment.errorOutput.writeLine(
                "WARNING: The requested image's platform (\(offered)) does not match the detected host platform (\(host)) and no specific platform was requested"
            )
        }
        let emulation = Emulation(machine: host.architecture)
        let answer = try await onBlockingPool {
            try emulation.answer(os: offered.os, architecture: offered.architecture)
        }
        if case .obstacle(let reason) = answer {
            throw SandboxError.foreignPlatform("\(offered)", machine: "\(host)", reason: reason)
        }
    }
}
