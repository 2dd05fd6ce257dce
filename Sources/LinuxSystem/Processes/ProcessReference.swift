internal import CLinux
internal import Glibc
internal import SystemPackage
internal import Text

/// A process that this one need not have started, by number and the time it started: a number alone may have gone to another.
package struct ProcessReference: Sendable, Hashable, Codable {
    package let processID: Int32
    /// In clock ticks since the boot of `bootID`.
    package let startTime: UInt64
    package let bootID: String

    /// One that was written down; it may have ended.
    init(processID: Int32, startTime: UInt64, bootID: String) {
        self.processID = processID
        self.startTime = startTime
        self.bootID = bootID
    }

    /// Remembers a process that runs now; nil where there is none of that number.
    ///
    /// See proc_pid_stat(5).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init?(processID: Int32) {
        guard let start = Self.startTime(of: processID) else { return nil }
        self.processID = processID
        startTime = start
        bootID = Self.currentBootID()
    }

    /// This process.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static var current: ProcessReference? { ProcessReference(processID: getpid()) }

    /// Whether it still runs; a process that has ended and was not waited for does not.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package var isRunning: Bool { bootID == Self.currentBootID() && Self.startTime(of: processID) == startTime }

    /// Sends a signal, to this very process only; false when it has ended.
    ///
    /// See pidfd_send_signal(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    @discardableResult
    package func send(signal: Signal) throws(SystemCallError) -> Bool {
        guard let handle = try openHandle() else { return false }
        do throws(SystemCallError) {
            _ = try retryingSystemCall("pidfd_send_signal") {
                slipway_pidfd_send_signal(handle.descriptor, signal.rawValue)
            }
            return true
        } catch {
            if error.errno == .noSuchProcess { return false }
            throw error
        }
    }

    /// Has a process killed when this one has ended, whatever becomes of the caller.
    ///
    /// What sees to it is a process of its own, which ends with either of them.
    /// - Parameters:
    ///   - other: the process.
    ///   - file: what stays open until then.
    /// - Throws: `SystemCallError` where one of them has ended already, or no process can be made.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func takeAlong(_ other: ProcessReference, holding file: OpenFile? = nil) throws(SystemCallError) {
        guard let own = try openHandle(), let others = try other.openHandle() else {
            throw SystemCallError("pidfd_open", errno: .noSuchProcess)
        }
        _ = try retryingSystemCall("fork") {
            slipway_end_together(own.descriptor, others.descriptor, file?.descriptor ?? -1)
        }
    }

    /// Has it killed when the writing end of a pipe is open in no process any more.
    /// - Parameter pipe: the reading end.
    /// - Throws: `SystemCallError` where it has ended already, or no process can be made.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func end(with pipe: OpenFile) throws(SystemCallError) {
        guard let own = try openHandle() else { throw SystemCallError("pidfd_open", errno: .noSuchProcess) }
        _ = try retryingSystemCall("fork") { slipway_end_together(pipe.descriptor, own.descriptor, -1) }
    }

    /// Waits until it executes another file than `file`, or has ended.
    /// - Parameters:
    ///   - file: what it executes before, as `executable` gave it.
    ///   - time: how long to wait at most.
    /// - Returns: whether it was seen to execute another file; one that does so and ends at once may not be seen.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func waitUntilExecuting(otherThan file: FileStatus?, atMost time: Duration) throws(SystemCallError) -> Bool
    {
        let end = ContinuousClock.now + time
        // Nothing tells of an execve(2) without tracing the process, which others may do already.
        while ContinuousClock.now < end {
            if let now = executable, now.device != file?.device || now.inode != file?.inode { return true }
            if try waitUntilEnded(atMost: .milliseconds(1)) { return false }
        }
        return false
    }

    /// The file that it executes; nil where that cannot be seen.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package var executable: FileStatus? {
        guard let file = try? OpenFile.open(FilePath("/proc/\(processID)/exe"), .pathOnly).status() else { return nil }
        return isRunning ? file : nil
    }

    /// Waits for its end, without holding a thread.
    package func waitUntilEnded() async throws {
        guard let handle = try await onBlockingPool({ try self.openHandle() }) else { return }
        try await Readiness.wait(for: handle, .reading)
    }

    /// Waits for its end, at most some time; whether it has ended.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func waitUntilEnded(atMost time: Duration) throws(SystemCallError) -> Bool {
        guard let handle = try openHandle() else { return true }
        // Beyond what poll(2) takes, as for a negative time, it waits as long as it may.
        let seconds = min(time.components.seconds, Int64(CInt.max / 1000) - 1)
        let milliseconds =
            seconds < 0 ? -1 : CInt(clamping: seconds * 1000 + time.components.attoseconds / 1_000_000_000_000_000)
        var poll = pollfd(fd: handle.descriptor, events: Int16(POLLIN), revents: 0)
        return Glibc.poll(&poll, 1, milliseconds) > 0
    }

    /// The other processes that have a file open, as far as this one may see that.
    ///
    /// See proc_pid_fd(5).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func holding(_ file: FileStatus) throws(SystemCallError) -> [ProcessReference] {
        let numbers = try HostFiles.entries(of: "/proc").compactMap { Int32(String(decoding: $0, as: UTF8.self)) }
        return numbers.filter { $0 != getpid() }.compactMap { number in
            let directory = FilePath("/proc/\(number)/fd")
            // Processes of others, and those that have ended meanwhile.
            guard let names = try? HostFiles.entries(of: directory) else { return nil }
            let isHolder = names.contains { name in
                let status = (try? HostFiles.status(of: FilePath(bytes: directory.bytes + "/" + name))) ?? nil
                return status?.device == file.device && status?.inode == file.inode
            }
            return isHolder ? ProcessReference(processID: number) : nil
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func openHandle() throws(SystemCallError) -> OpenFile? {
        let descriptor = slipway_pidfd_open(processID)
        guard descriptor >= 0 else {
            if Glibc.errno == ESRCH { return nil }
            throw SystemCallError("pidfd_open", errno: Errno(rawValue: Glibc.errno))
        }
        let handle = OpenFile(owning: descriptor, path: "pidfd")
        // Opened first, compared then: what the handle leads to cannot change any more.
        return isRunning ? handle : nil
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func startTime(of processID: Int32) -> UInt64? {
        guard let bytes = try? OpenFile.open(FilePath("/proc/\(processID)/stat"), .readOnly).readToEnd(limit: 65_536)
        else {
            return nil
        }
        // The name, in parentheses, may hold anything; what follows the last one is fields 3 and on.
        guard let end = bytes.lastIndex(of: ")") else { return nil }
        let fields = String(decoding: bytes[(end + 1)...], as: UTF8.self).split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
        return UInt64(fields[19])
    }

    /// Names this boot of the machine; empty where the kernel does not tell.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func currentBootID() -> String {
        let bytes = try? OpenFile.open("/proc/sys/kernel/random/boot_id", .readOnly).readToEnd(limit: 64)
        return String(decoding: (bytes ?? []).filter { $0 != 0x0a }, as: UTF8.self)
    }
}
