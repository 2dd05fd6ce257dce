import Testing
import Text

@Suite struct `Running programs` {
    @Test func `gives status and output`() async throws {
        let result = try await runProgram("sh", ["-c", "cat; echo oops >&2; exit 3"], input: "hello")
        #expect(result.status == 3)
        #expect(result.text == "hello")
        #expect(result.errorText == "oops\n")
    }
}
