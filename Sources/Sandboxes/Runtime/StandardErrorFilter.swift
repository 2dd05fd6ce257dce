package import LinuxSystem
package import SystemPackage

/// Holds back what the runtime writes to the standard error of a process that it could not start.
///
/// Everything else passes unchanged, at once.
package struct StandardErrorFilter: Sendable {
    private var held: [UInt8] = []
    private var isDecided = false
    private let program: [UInt8]
    /// How the runtime's lines begin; each is a line and nothing after it.
    private let beginnings: [[UInt8]]

    /// - Parameters:
    ///   - program: the name of the program, for the error.
    ///   - workingDirectory: where it was to start.
    package init(program: [UInt8], workingDirectory: FilePath = "/") {
        self.program = program
        beginnings = RuntimeLog.beginnings(program: program, workingDirectory: workingDirectory.bytes)
    }

    /// Holds nothing back: for a process of which nothing but the process itself writes.
    package static var passing: StandardErrorFilter {
        var filter = StandardErrorFilter(program: [])
        filter.isDecided = true
        return filter
    }

    /// What of these bytes may be shown now.
    package mutating func pass(_ bytes: [UInt8]) -> [UInt8] {
        if isDecided { return bytes }
        held += bytes
        if isPerhapsRuntimes { return [] }
        isDecided = true
        defer { held = [] }
        return held
    }

    /// Whether all that was written so far is, or may become, one line of the runtime's.
    private var isPerhapsRuntimes: Bool {
        guard held.count < 16_384, held.firstIndex(of: 0x0a).map({ $0 == held.count - 1 }) ?? true else { return false }
        return beginnings.contains { held.starts(with: $0.prefix(held.count)) }
    }

    /// At the end of the stream: the error, if the runtime could not start the program, or else what was still held back.
    /// - Parameters:
    ///   - status: how the runtime ended.
    ///   - failure: what the runtime's log says.
    /// - Returns: what may be shown of what was held back, or why the program was not started.
    package mutating func finish(
        status: ExitStatus,
        failure: SandboxError? = nil
    ) -> Result<[UInt8], SandboxError> {
        defer { held = [] }
        if let failure { return .failure(failure) }
        if status == .exited(code: 1), let error = RuntimeLog.failure(onStandardError: held, program: program) {
            return .failure(error)
        }
        return .success(held)
    }
}
