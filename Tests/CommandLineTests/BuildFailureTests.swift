import BuildEngine
import BuildGraph
import LinuxSystem
import OCI
import Storage
import SystemPackage
import Testing

@testable import CommandLine

/// What `--debug` and the exit status say of a build that failed.
@Suite struct `A failed build` {
    private static func step(_ cause: any Error) -> SolveError {
        SolveError(vertex: Digest.sha256(of: []), name: "[1/1] COPY a /", origin: nil, underlying: cause)
    }

    private static let full = SystemCallError("write", path: "/b", errno: .noSpace)

    // BuildKit's list: errors of the machine are `Internal`, and `ResourceExhausted` where memory or disk are full.
    @Test(arguments: zip([Errno.noSpace, .noMemory, .ioError, .permissionDenied], [102, 102, 100, 1] as [Int32]))
    func `has the status of the system call that failed`(errno: Errno, status: Int32) {
        let error = SystemCallError("write", errno: errno)
        #expect(CommandStatus(ofFailedBuild: error).rawValue == status)
        #expect(CommandStatus(ofFailedBuild: Self.step(error)).rawValue == status, "in a step")
        let stored = StorageError(error, while: "writing", in: "/store")
        #expect(CommandStatus(ofFailedBuild: Self.step(stored)).rawValue == status, "in the store")
        let exported = BuildError.exportRefused(path: "/out", reason: "", error)
        #expect(CommandStatus(ofFailedBuild: exported).rawValue == status, "in an export")
    }

    @Test func `has the status of a mistake of our own`() {
        let mistake = BuildGraphError.missingOutput(1, of: "step", count: 1)
        #expect(CommandStatus(ofFailedBuild: Self.step(mistake)).rawValue == 100)
    }

    @Test func `of a user's making has the status 1`() {
        struct Mistake: Error {}
        #expect(CommandStatus(ofFailedBuild: Mistake()).rawValue == 1)
        #expect(CommandStatus(ofFailedBuild: BuildError.contextIsEmpty).rawValue == 1)
    }

    @Test func `is told down to the system call`() {
        let error = BuildError.exportRefused(path: "/out\u{1b}", reason: "full", Self.full)
        #expect(
            FailureAccount(error).text == """

                What failed, each followed by its cause:
                  BuildError: failed to export /out\\x1b: full
                  system call write of /b: errno 28, no space left on device

                """
        )
    }
}

/// What the environment says of progress.
@Suite struct `Settings of progress` {
    @Test func `are BuildKit's variables`() {
        let settings = ProgressSettings(environment: [
            "PROGRESS_NO_TRUNC": "0", "TTY_DISPLAY_RATE": "250", "BUILDKIT_TTY_LOG_LINES": "9", "NO_COLOR": "1",
        ])
        #expect(settings.cutsNames)
        #expect(settings.interval == .milliseconds(250))
        #expect(settings.logLines == 9)
        #expect(settings.colors == .none)
    }

    @Test(arguments: ["", "0", "-5", "fast"]) func `that are no numbers say nothing`(rate: String) {
        #expect(ProgressSettings(environment: ["TTY_DISPLAY_RATE": rate]) == ProgressSettings())
    }

    @Test(arguments: ["1", "true", ""]) func `cut names only where that is asked for`(value: String) {
        #expect(!ProgressSettings(environment: ["PROGRESS_NO_TRUNC": value]).cutsNames)
    }

    @Test func `cut long names in plain lines between characters`() {
        func shown(_ name: String) -> String {
            var script = ProgressScript()
            script.complete(name, 0, 1)
            let settings = ProgressSettings(environment: ["PROGRESS_NO_TRUNC": "0"])
            var display = ProgressMode.plain.display(isTerminal: false, settings)
            let moment = DisplayMoment(now: ProgressScript.time(2))
            for (_, event) in script.events { display.update(event, at: moment) }
            let lines = String(decoding: display.finish(at: moment), as: UTF8.self).split(separator: "\n")
            return String(lines.first ?? "")
        }
        let name = String(repeating: "x", count: 71)
        #expect(shown(name + "y") == "#1 \(name)y")
        #expect(shown(name + "yz") == "#1 \(name)y...")
        #expect(shown(name + "ü") == "#1 \(name)...")
    }
}
