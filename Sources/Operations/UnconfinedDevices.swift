import LinuxSystem
import Sandboxes
import SystemPackage

/// The devices that a step with `--security=insecure` has, as with BuildKit: those that mounting and emulating take.
///
/// Of loop devices there are as many as the kernel has now, and some that it makes when they are first used.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
func unconfinedDevices() throws -> [SandboxConfiguration.Device] {
    // The numbers are the kernel's; see admin-guide/devices.txt in its documentation.
    let characters: [SandboxConfiguration.Device] = [
        .init("/dev/kmsg", major: 1, minor: 11), .init("/dev/net/tun", major: 10, minor: 200),
        .init("/dev/cuse", major: 10, minor: 203), .init("/dev/fuse", major: 10, minor: 229),
        .init("/dev/kvm", major: 10, minor: 232), .init("/dev/loop-control", major: 10, minor: 237),
    ]
    let blocks = try HostFiles.status(of: "/sys/block") == nil ? [] : try HostFiles.entries(of: "/sys/block")
    let numbers = blocks.compactMap { name in
        name.starts(with: "loop".utf8) ? UInt32(String(decoding: name.dropFirst(4), as: UTF8.self)) : nil
    }
    let loops = 0...((numbers.max() ?? 0) + 8)
    return characters + loops.map { .init(FilePath("/dev/loop\($0)"), .block, major: 7, minor: $0) }
}
