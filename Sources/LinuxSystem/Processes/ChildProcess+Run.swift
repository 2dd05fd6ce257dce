internal import Glibc
internal import SystemPackage

/// What a program that ran to its end has left.
package struct ChildProcessOutput: Sendable {
    package let status: ExitStatus
    package let output: [UInt8]
    package let errors: [UInt8]
}

extension ChildProcess {
    /// Runs a program to its end: `input` is its standard input, and what it writes is collected.
    ///
    /// An exit code other than 0 is a value, not an error. When the task is cancelled the program gets SIGTERM and, two seconds
    /// later, SIGKILL.
    /// - Parameters:
    ///   - configuration: what to run; its descriptors 0, 1 and 2 are replaced.
    ///   - input: what it reads.
    ///   - outputLimit: how many bytes of each stream are kept; the rest is read and dropped.
    /// - Returns: how it ended, and what it wrote.
    /// - Throws: `SystemCallError` if it cannot be started or spoken to, `CancellationError`. It does not run any more then.
    package static func run(
        _ configuration: ChildProcessConfiguration,
        input: [UInt8] = [],
        outputLimit: Int = 1 << 20
    ) async throws -> ChildProcessOutput {
        var configuration = configuration
        configuration.files[0] = input.isEmpty ? .null : .pipeToChild
        configuration.files[1] = .pipeFromChild
        configuration.files[2] = .pipeFromChild
        let child = try await start(configuration)
        do {
            async let output = child.reader(1)?.readToEnd(limit: outputLimit) ?? []
            async let errors = child.reader(2)?.readToEnd(limit: outputLimit) ?? []
            try await feed(input, to: child.takeWriter(0))
            let status = try await child.wait()
            return ChildProcessOutput(status: status, output: try await output, errors: try await errors)
        } catch {
            try await child.terminate()
            throw error
        }
    }

    private static func feed(_ input: [UInt8], to writer: ByteWriter?) async throws {
        do {
            try await writer?.write(input)
        } catch let error as SystemCallError where error.errno == .brokenPipe {
            // A program need not read all its input: `head` does not.
        }
    }
}
