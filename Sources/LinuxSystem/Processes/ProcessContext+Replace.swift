internal import CLinux
internal import Glibc
internal import SystemPackage
internal import Text

extension ProcessContext {
    /// Executes a program in place of this one: the same process, so that its signals, terminal and status are the program's.
    ///
    /// It gets the caller's standard streams, file mode mask and signals as this program got them, and no other descriptors.
    ///
    /// See execvp(3).
    /// - Parameters:
    ///   - command: the program, looked for in `PATH` unless it has a slash, and its arguments.
    ///   - environment: all variables of the program.
    /// - Returns: why it could not be executed.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func replace(with command: [[UInt8]], environment: [[UInt8]: [UInt8]]) -> SystemCallError {
        let variables = environment.map { $0.key + "=" + $0.value }
        let arguments = CStringArray(command)
        let values = CStringArray(variables)
        ProcessSignals.restoreDefault(.brokenPipe)
        FileModeMask.giveBack()
        _ = slipway_execute(arguments.pointer, values.pointer)
        let error = Errno(rawValue: Glibc.errno)
        return SystemCallError("exec", path: FilePath(bytes: command.first ?? []), errno: error)
    }
}
