import BuildEngine
import BuildGraph
import Exporters
import LinuxSystem
import OCI
import Proofs
import Storage
import SystemPackage
import Terminal
import Testing

@testable import CommandLine

/// What `--debug` and the exit status say of a build that failed.
@Suite struct `A failed build` {
    private static func step(_ cause: any Error) -> SolveError {
        SolveError(vertex: Digest.sha256(of: []), name: "[1/1] COPY a /", origin: nil, underlying: cause)
    }

    private static let full = SystemCallError("write", path: "/b", errno: .noSpace)

    // BuildKit's list: errors of the machine are `Internal`, and `ResourceExhausted` where memory or disk are full.
    @Test(
        .proves("Exit statuses"),
        arguments: zip([Errno.noSpace, .noMemory, .ioError, .permissionDenied], [102, 102, 100, 1] as [Int32])
    )
    func `has the status of the system call that failed`(errno: Errno, status: Int32) {
        let error = SystemCallError("write", errno: errno)
        #expect(CommandStatus(ofFailedBuild: error).rawValue == status)
        #expect(CommandStatus(ofFailedBuild: Self.step(error)).rawValue == status, "in a step")
        let stored = StorageError(error, while: "writing", in: "/store")
        #expect(CommandStatus(ofFailedBuild: Self.step(stored)).rawValue == status, "in the store")
        let exported = ExportError.refused("/out", reason: "", error)
        #expect(CommandStatus(ofFailedBuild: exported).rawValue == status, "in an export")
    }

    @Test(.proves("Exit statuses")) func `has the status of a mistake of our own`() {
        let mistake = BuildGraphError.missingOutput(1, of: "step", count: 1)
        #expect(CommandStatus(ofFailedBuild: Self.step(mistake)).rawValue == 100)
    }

    @Test func `that the user caused has the status 1`() {
        struct Mistake: Error {}
        #expect(CommandStatus(ofFailedBuild: Mistake()).rawValue == 1)
        #expect(CommandStatus(ofFailedBuild: BuildError.contextIsEmpty).rawValue == 1)
    }

    @Test(.proves("-D, --debug")) func `is reported with its causes, down to the system call`() {
        let error = ExportError.refused("/out\u{1b}", reason: "full", Self.full)
        #expect(
            FailureAccount(error).text == """

                What failed, each followed by its cause:
                  ExportError: failed to export /out\\x1b: full
                  system call write of /b: errno 28, no space left on device

                """
        )
    }
}
