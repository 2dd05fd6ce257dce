internal import Glibc
internal import SystemPackage
internal import Text

/// Which process this is, in a way that no later process repeats: process ids are reused, start times and boots are not.
package struct ProcessIdentity: Hashable, Sendable {
    package let pid: Int32
    /// In clock ticks since the boot.
    ///
    /// See proc(5), `/proc/[pid]/stat` field 22.
    package let startTime: UInt64
    /// The first eight digits of the boot's random id.
    ///
    /// See random(4).
    package let boot: String

    /// The identity of the running process.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func current() throws(SystemCallError) -> ProcessIdentity {
        let boot = try OpenFile.open("/proc/sys/kernel/random/boot_id", .readOnly).readToEnd(limit: 4096)
        let status = try OpenFile.open("/proc/self/stat", .readOnly).readToEnd(limit: 65_536)
        // The second field, the program's name in parentheses, may hold anything; the last `)` ends it.
        let fields = status[((status.lastIndex(of: ")") ?? 0) + 1)...].split(separator: " ")
        let start = fields.count > 19 ? UInt64(String(decoding: fields[19], as: UTF8.self)) : nil
        return ProcessIdentity(
            pid: getpid(),
            startTime: start ?? 0,
            boot: String(decoding: boot.prefix(8), as: UTF8.self)
        )
    }
}
