package import LinuxSystem

/// Holds back what the runtime writes to the standard error of a process that it could not execute.
///
/// Everything else passes unchanged, at once.
package struct StandardErrorFilter: Sendable {
    private var held: [UInt8] = []
    private var isDecided = false
    let program: [UInt8]
    /// Whether what is held back looks like the line in which the runtime says that it found no program; its log says it too.
    var holdsMissingProgram: Bool { held.starts(with: RuntimeLog.missingProgram) }

    /// - Parameter program: the name of the program, for the error.
    package init(program: [UInt8]) { self.program = program }

    /// What of these bytes may be shown now.
    package mutating func pass(_ bytes: [UInt8]) -> [UInt8] {
        if isDecided { return bytes }
        held += bytes
        let expected = [RuntimeLog.execFailure, RuntimeLog.missingProgram]
        if held.count < 16_384, expected.contains(where: { held.starts(with: $0.prefix(held.count)) }) { return [] }
        isDecided = true
        defer { held = [] }
        return held
    }

    /// At the end of the stream: the error, if the runtime could not execute the program, or else what was still held back.
    package mutating func finish(status: ExitStatus) -> Result<[UInt8], SandboxError> {
        defer { held = [] }
        if status == .exited(code: 1), let error = RuntimeLog.failure(onStandardError: held, program: program) {
            return .failure(error)
        }
        return .success(held)
    }
}
