internal import LinuxSystem
internal import SystemPackage

/// What a sandbox has on disk and in the kernel before its process starts, and until that is gone.
struct PreparedSandbox: Sendable {
    let configuration: SandboxConfiguration
    let streams: SandboxRunner.Streams
    let bundle: SandboxBundle
    let devices: DeviceConfinement

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(_ configuration: SandboxConfiguration, _ streams: SandboxRunner.Streams, of runner: SandboxRunner) throws {
        let directory = try makeScratchDirectory(in: runner.scratch, prefix: "sandbox-")
        var configuration = configuration
        devices = DeviceConfinement(of: &configuration, level: runner.level)
        do {
            bundle = try SandboxBundle(configuration, terminal: streams.terminal, level: runner.level, in: directory)
        } catch {
            devices.remove()
            try? removeTree(directory)
            throw error
        }
        self.configuration = configuration
        self.streams = streams
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func remove() throws {
        devices.remove()
        try bundle.removeMountPoints()
        try removeTree(bundle.directory)
    }
}
