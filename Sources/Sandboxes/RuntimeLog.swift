internal import FoundationEssentials
internal import Glibc
internal import LinuxSystem
internal import SystemPackage

/// What the runtime wrote into its log, understood.
enum RuntimeLog {
    private struct Line: Decodable {
        var msg: String
        var level: String
    }

    /// The error that kept the process from starting; nil when it started.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func failure(_ path: FilePath, program: [UInt8]) throws -> SandboxError? {
        let content: [UInt8]
        do throws(SystemCallError) {
            content = try OpenFile.open(path, O_RDONLY).readToEnd(limit: 1 << 20)
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
        return failure(in: content, program: program)
    }

    static func failure(in content: [UInt8], program: [UInt8]) -> SandboxError? {
        let lines = content.split(separator: UInt8(ascii: "\n")).compactMap {
            try? JSONDecoder().decode(Line.self, from: Data($0))
        }
        guard let message = lines.last(where: { $0.level == "error" })?.msg else { return nil }
        return error(for: message, program: program)
    }

    /// The error in what a process seems to have written to its standard error, if that is all and the runtime wrote it.
    ///
    /// The last step of a start, execve(2), fails in the process itself, where the runtime's log is closed already.
    static func failure(onStandardError bytes: [UInt8], program: [UInt8]) -> SandboxError? {
        guard bytes.starts(with: Self.execFailure), bytes.count < 16_384 else { return nil }
        return failure(in: bytes, program: program)
    }

    /// How such a line begins.
    static let execFailure = Array("{\"msg\":\"exec container process".utf8)

    /// How the line begins that it writes beside its log where it finds no program.
    static let missingProgram = Array("executable file `".utf8)

    /// Translates crun's words into the errors that users of docker know.
    private static func error(for message: String, program: [UInt8]) -> SandboxError {
        if message.hasPrefix("executable file") { return .programNotFound(program) }
        guard message.hasPrefix("exec container process") || message.hasPrefix("open executable") else {
            return .runtimeFailed(message)
        }
        if message.hasSuffix("Exec format error") { return .programNotExecutable(program, reason: "exec format error") }
        if message.hasSuffix("Permission denied") { return .programNotExecutable(program, reason: "permission denied") }
        if message.hasSuffix("No such file or directory") {
            // The file is there, or the runtime had said otherwise: what is missing is what it needs to run.
            return .programNotExecutable(
                program,
                reason: "no such file or directory (its interpreter or loader is missing)"
            )
        }
        return .programNotExecutable(program, reason: message)
    }
}
