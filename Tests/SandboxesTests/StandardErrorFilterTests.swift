import LinuxSystem
import Proofs
import SystemPackage
import Testing
import Text

@testable import Sandboxes

@Suite struct `Errors of the runtime on standard error` {
    private func pass(_ pieces: String..., failure: SandboxError? = nil) -> (shown: String, error: SandboxError?) {
        var filter = StandardErrorFilter(program: "prog", workingDirectory: "/work")
        var shown = pieces.flatMap { filter.pass(Array($0.utf8)) }
        switch filter.finish(status: .exited(code: 1), failure: failure) {
        case .success(let rest):
            shown += rest
            return (String(decoding: shown, as: UTF8.self), nil)
        case .failure(let error): return (String(decoding: shown, as: UTF8.self), error)
        }
    }

    @Test(
        .proves("B4: the runtime's own line is not"),
        arguments: [
            "executable file `prog` not found in $PATH: No such file or directory\n",
            "open executable: Permission denied\n",
            "exec: Exec format error\n", "chdir `/work`: Permission denied\n",
            "\u{1b}[1;31mexec: Exec format error\u{1b}[0m\r\n",
        ]
    ) func `the runtime's own line is not shown where its log tells of a failure`(_ line: String) {
        let failure = SandboxError.programNotFound("prog")
        let (shown, error) = pass(String(line.prefix(9)), String(line.dropFirst(9)), failure: failure)
        #expect(shown.isEmpty && error == failure)
    }

    @Test func `the last step's failure is read from the line itself, in colour or not`() {
        let line = "{\"msg\":\"exec container process `/prog`: Exec format error\",\"level\":\"error\",\"time\":\"t\"}"
        for text in [line + "\n", "\u{1b}[1;31m" + line + "\u{1b}[0m\r\n"] {
            let (shown, error) = pass(text)
            #expect(shown.isEmpty)
            #expect(error == .programNotExecutable("prog", reason: "exec format error"))
        }
    }

    @Test(.proves("B4: the runtime's own line is not")) func `what a program writes is shown, however like it is`() {
        #expect(pass("exec: Exec format error\n", "more\n").shown == "exec: Exec format error\nmore\n")
        #expect(pass("exec: Exec format error\n").shown == "exec: Exec format error\n")
        #expect(pass("open", " the door\n").shown == "open the door\n")
        var filter = StandardErrorFilter(program: [])
        #expect(filter.pass("prompt$ ") == "prompt$ ")
    }
}
