import LinuxSystem
import Sandboxes
import SystemPackage
import Text

/// The devices that a step with `--security=insecure` has, as with BuildKit: those that mounting and emulating take.
///
/// Of loop devices there are as many as the kernel has now, and some that it makes when they are first used.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
func unconfinedDevices() throws -> [DeviceNode] {
    // The numbers are the kernel's; see admin-guide/devices.txt in its documentation.
    let characters: [DeviceNode] = [
        node("/dev/kmsg", .character, 1, 11), node("/dev/net/tun", .character, 10, 200),
        node("/dev/cuse", .character, 10, 203), node("/dev/fuse", .character, 10, 229),
        node("/dev/kvm", .character, 10, 232), node("/dev/loop-control", .character, 10, 237),
    ]
    let blocks = try HostFiles.status(of: "/sys/block") == nil ? [] : try HostFiles.entries(of: "/sys/block")
    let numbers = blocks.compactMap { name in
        name.starts(with: "loop") ? UInt32(String(decoding: name.dropFirst(4), as: UTF8.self)) : nil
    }
    let loops = 0...((numbers.max() ?? 0) + 8)
    return characters + loops.map { node("/dev/loop\($0)", .block, 7, $0) }
}

private func node(_ path: String, _ kind: DeviceRule.Kind, _ major: UInt32, _ minor: UInt32) -> DeviceNode {
    DeviceNode(
        path: FilePath(path),
        kind: .device(kind, major: major, minor: minor),
        mode: 0o600,
        userID: 0,
        groupID: 0
    )
}
