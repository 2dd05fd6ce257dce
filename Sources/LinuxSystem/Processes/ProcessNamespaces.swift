internal import Glibc
internal import SystemPackage
internal import Text

/// A process's own namespace of process numbers, and its number in that one and in those around it.
///
/// See pid_namespaces(7).
package struct ProcessNamespaces: Sendable, Hashable {
    /// What the kernel calls it.
    package let namespace: [UInt8]
    /// The outermost first, which is this program's own.
    package let numbers: [Int32]

    /// Of a process that runs; nil where there is none of that number.
    ///
    /// See proc_pid_status(5).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init?(of processID: Int32) {
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = readlink("/proc/\(processID)/ns/pid", &buffer, buffer.count)
        guard count > 0,
            let status = try? OpenFile.open(FilePath("/proc/\(processID)/status"), .readOnly).readToEnd(limit: 65_536),
            let line = status.split(separator: 0x0a).first(where: { $0.starts(with: "NSpid:") })
        else { return nil }
        namespace = Array(buffer[..<count])
        numbers = line.split(separator: 0x09).dropFirst().compactMap { Int32(String(decoding: $0, as: UTF8.self)) }
    }
}
