internal import FoundationEssentials
package import LinuxSystem
package import SystemPackage
internal import Text

/// One more process for a sandbox that runs: a directory with what the runtime is told of it, and what the runtime says.
package struct AdditionalProcess: Sendable {
    package let directory: FilePath
    /// The program's name, for error messages.
    package let program: [UInt8]
    private let workingDirectory: FilePath

    /// What the runtime reads.
    package var document: FilePath { directory.appending("process.json") }
    /// Where the runtime writes why it failed.
    package var log: FilePath { directory.appending("runtime.log") }
    /// Where the runtime writes the number of the process, as its own process namespace has it.
    package var number: FilePath { directory.appending("pid") }

    /// Writes the document into an existing, empty directory.
    /// - Parameters:
    ///   - configuration: what to run. Its root and mounts are those of the sandbox, whatever it says.
    ///   - root: the root directory as the sandbox's processes have it now, with all that is mounted there.
    ///   - terminal: the size of the terminal of its own that the process gets, if it gets one.
    ///   - directory: where to write it.
    /// - Throws: `SandboxError` for a user, group or working directory that the sandbox does not have.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(
        _ configuration: SandboxConfiguration,
        inside root: FilePath,
        terminal: TerminalSize?,
        in directory: FilePath
    ) throws {
        self.directory = directory
        program = configuration.arguments.first ?? []
        let prepared = try PreparedRoot(root)
        let users = try UserDatabase(root: prepared.root)
        workingDirectory = try prepared.existingWorkingDirectory(configuration.workingDirectory)
        // The runtime leaves a process behind in the sandbox where it finds no program.
        _ = try ProgramLookup(
            root: prepared.root,
            workingDirectory: workingDirectory,
            environment: configuration.environment
        ).find(program)
        let process = try SandboxBundle.process(configuration, terminal, in: workingDirectory, users)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        let file = try OpenFile.open(document, [.writeOnly, .createNew, .noFollow], mode: 0o600)
        try file.write(Array(try encoder.encode(process)))
    }

    /// Why the runtime could not start the process, from its log; nil where it says nothing.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func failure() throws -> SandboxError? { try RuntimeLog.failure(log, program: program) }

    /// Holds back what the runtime writes to the standard error of a process that it cannot start.
    package func makeErrorFilter() -> StandardErrorFilter {
        StandardErrorFilter(program: program, workingDirectory: workingDirectory)
    }
}
