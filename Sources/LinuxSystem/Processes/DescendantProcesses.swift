internal import CLinux
internal import Glibc
internal import SystemPackage

/// What a program that keeps other processes, and has one thread, knows and does of them.
package struct DescendantProcesses: Sendable {
    private let signals: OpenFile

    /// Makes this process the parent of every descendant whose own parent ends, and blocks all signals: the end of a child is
    /// something to wait for from now on.
    ///
    /// See prctl(2), PR_SET_CHILD_SUBREAPER.
    package init() throws(SystemCallError) {
        signals = OpenFile(
            owning: try retryingSystemCall("signalfd") { slipway_block_signals(SIGCHLD) },
            path: "signalfd"
        )
        _ = try retryingSystemCall("prctl PR_SET_CHILD_SUBREAPER") { slipway_set_child_subreaper(1) }
    }

    /// Waits until a child has ended or something is to be read of `file`.
    /// - Returns: whether something is to be read, or the other end of the file is closed.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func waitForEnd(orReading file: OpenFile) throws(SystemCallError) -> Bool {
        var polls = [signals, file].map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        _ = try retryingSystemCall("poll") { poll(&polls, nfds_t(polls.count), -1) }
        if polls[0].revents != 0 {
            var information = [UInt8](repeating: 0, count: 128)
            while read(signals.descriptor, &information, information.count) > 0 {}
        }
        return polls[1].revents != 0
    }

    /// A child that has ended, which is gone then; nil if none has, or with `waiting` if there is no child any more.
    ///
    /// See waitid(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func nextEnded(waiting: Bool = false) throws(SystemCallError) -> (process: Int32, status: ExitStatus)? {
        var process: pid_t = 0
        var code: CInt = 0
        var status: CInt = 0
        do throws(SystemCallError) {
            let found = try retryingSystemCall("waitid") {
                slipway_wait_any(waiting ? 1 : 0, &process, &code, &status)
            }
            return found == 0 ? nil : (process, ExitStatus(code: code, status: status))
        } catch {
            if error.errno == .noChildProcess { return nil }
            throw error
        }
    }

    /// Sends a signal to a child that was not yet seen to have ended; its number cannot be another process's.
    package func send(_ signal: Signal, to child: Int32) { _ = kill(child, signal.rawValue) }

    /// Kills every process that this one may send signals to, but itself.
    ///
    /// Only for a process under `AccessRules.ofSignals()`, of which these are the processes that it has started, all of them, at one
    /// moment: none of them can start another one meanwhile. See kill(2).
    package func killAll() { _ = kill(-1, SIGKILL) }
}
