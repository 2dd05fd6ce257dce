internal import SystemPackage
internal import Text

/// The living processes of a user's namespace, so that the next one joins it instead of making another.
///
/// What one process of Slipway starts, another must reach: a container's namespaces belong to the user namespace that they were made
/// in. So there is one at a time, which ends with its last process; nothing stays behind to hold it.
package struct NamespaceMembers: Sendable {
    private let directory: FilePath
    private var list: FilePath { directory.appending("namespace") }

    init(directory: FilePath) { self.directory = directory }

    /// Holds what only one process may do at a time: enter a namespace.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func hold() throws(SystemCallError) -> FileLock {
        try FileLock.acquire(directory.appending("namespace.lock"), .exclusive)
    }

    /// Those that live; the lock is held.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func living() throws(SystemCallError) -> [ProcessReference] {
        try entries().map(\.process)
    }

    /// Adds a process that lives in the namespace, as the monitor of a container.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func add(_ process: ProcessReference) throws(SystemCallError) {
        let lock = try hold()
        try addHeld(process)
        withExtendedLifetime(lock) {}
    }

    /// The same; the lock is held.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func addHeld(_ process: ProcessReference) throws(SystemCallError) {
        let own = try Self.processNamespace()
        let line = { (space: UInt64, process: ProcessReference) in
            "\(space) \(process.processID) \(process.startTime) \(process.bootID)\n"
        }
        let kept = try lines().filter { $0.space != own || $0.process.isRunning }
        let text = kept.map { line($0.space, $0.process) }.joined() + line(own, process)
        try HostFiles.write(Array(text.utf8), to: list, mode: 0o600)
    }

    private struct Line {
        /// The namespace that numbers the process: in another one the number means another process.
        let space: UInt64
        let process: ProcessReference
    }

    private func entries() throws(SystemCallError) -> [Line] {
        let own = try Self.processNamespace()
        return try lines().filter { $0.space == own && $0.process.isRunning }
    }

    private func lines() throws(SystemCallError) -> [Line] {
        let content = try contentsIfPresent(of: list, limit: 1 << 20) ?? []
        return content.split(separator: "\n").compactMap { line in
            let fields = String(decoding: line, as: UTF8.self).split(separator: " ")
            guard fields.count == 4, let space = UInt64(fields[0]), let number = Int32(fields[1]),
                let start = UInt64(fields[2])
            else { return nil }
            return Line(
                space: space,
                process: ProcessReference(processID: number, startTime: start, bootID: String(fields[3]))
            )
        }
    }

    private static func processNamespace() throws(SystemCallError) -> UInt64 {
        try OpenFile.open("/proc/self/ns/pid", .readOnly).status().inode
    }
}
