internal import FoundationEssentials
internal import LinuxSystem
internal import SystemPackage
internal import Text

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
            content = try OpenFile.open(path, .readOnly).readToEnd(limit: 1 << 20)
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
        return failure(in: content, program: program)
    }

    static func failure(in content: [UInt8], program: [UInt8]) -> SandboxError? {
        let lines = content.split(separator: "\n").compactMap {
            try? JSONDecoder().decode(Line.self, from: Data($0))
        }
        guard let message = lines.last(where: { $0.level == "error" })?.msg else { return nil }
        return error(for: message, program: program)
    }

    /// The error in what a process seems to have written to its standard error, if that is all and the runtime wrote it.
    ///
    /// The last step of a start, execve(2), fails in the process itself, where the runtime's log is closed already.
    static func failure(onStandardError bytes: [UInt8], program: [UInt8]) -> SandboxError? {
        let marks = [red, "\u{1b}[0m"]
        let line = bytes.starts(with: red) ? marks.reduce(bytes) { $0.removing($1) } : bytes
        guard line.starts(with: Self.execFailure), line.count < 16_384 else { return nil }
        return failure(in: line, program: program)
    }

    /// How such a line begins.
    private static let execFailure: [UInt8] = "{\"msg\":\"exec container process"

    /// How all lines begin that the runtime writes to the standard error of a process that it cannot start.
    static func beginnings(program: [UInt8], workingDirectory: [UInt8]) -> [[UInt8]] {
        let reasons = [
            "No such file or directory", "Permission denied", "Operation not permitted", "Exec format error",
        ]
        let lines = reasons.flatMap { ["exec: \($0)", "open executable: \($0)"] }.map { Array($0.utf8) }
        let plain =
            [
                execFailure, "executable file `" + program + "` not found in $PATH: ",
                "chdir `" + workingDirectory + "`: ",
            ] + lines
        // On a terminal they are red.
        return plain + plain.map { red + $0 }
    }

    private static let red: [UInt8] = "\u{1b}[1;31m"

    /// Translates crun's words into the errors that users of docker know.
    private static func error(for message: String, program: [UInt8]) -> SandboxError {
        if message.hasPrefix("executable file") { return .programNotFound(program) }
        if message.hasPrefix("chdir `"), let reason = message.split(separator: ": ").last {
            let path = message.dropFirst("chdir `".count).prefix { $0 != "`" }
            return .workingDirectoryUnusable(FilePath(String(path)), reason: reason.lowercased())
        }
        guard ["exec container process", "open executable", "exec: "].contains(where: message.hasPrefix) else {
            return .runtimeFailed(message)
        }
        if program.isEmpty { return .programNotFound(program) }
        if message.hasSuffix("Exec format error") { return .programNotExecutable(program, reason: "exec format error") }
        // A directory is "not permitted".
        if message.hasSuffix("Permission denied") || message.hasSuffix("Operation not permitted") {
            return .programNotExecutable(program, reason: "permission denied")
        }
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

extension [UInt8] {
    /// The same without the first occurrence of some bytes.
    fileprivate func removing(_ part: [UInt8]) -> [UInt8] {
        for start in indices where self[start...].starts(with: part) {
            return Array(self[..<start] + self[(start + part.count)...])
        }
        return self
    }
}
