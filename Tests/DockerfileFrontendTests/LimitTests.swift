import DockerfileFrontend
import DockerfileSyntax
import LLB
import OCI
import Testing

@Suite struct `Large files` {
    @Test func `of many stages, each on the one before, are planned`() async throws {
        let count = 3_000
        let stages = (1..<count).map { "FROM s\($0 - 1) AS s\($0)\nENV A=\($0)\nCOPY --from=s\($0 - 1) a /b\n" }
            .joined()
        let made = try await plan("FROM scratch AS s0\nCOPY a /a\n" + stages)
        #expect(made.definition.nodes.count == count + 1)
        #expect(made.defaults.environment?.last == "A=\(count - 1)")
    }

    @Test func `of many steps are planned`() async throws {
        let made = try await plan("FROM alpine\n" + (0..<4_000).map { "RUN \($0)\nLABEL l=\($0)\n" }.joined())
        #expect(made.definition.nodes.count == 4_001)
        #expect(made.ownHistory.count == 8_000)
    }

    @Test func `that copy from many images ask for each at once`() async throws {
        let count = 300
        let images = Images(
            Dictionary(uniqueKeysWithValues: (0..<count).map { ("docker.io/library/i\($0):latest", image()) })
        )
        let text = "FROM scratch\n" + (0..<count).map { "COPY --from=i\($0) a /b\n" }.joined()
        _ = try await plan(text, images: images)
        #expect(images.questions.count == count)
    }

    @Test func `that misspell a name in every line are answered once`() async throws {
        let count = 1_500
        let arguments = (0..<count).map { "ARG name\($0)=1\n" }.joined()
        let stages = (0..<count).map { "FROM alpi${nmae\($0)}ne\n" }.joined()
        let made = try await plan(arguments + stages)
        // As many as anybody reads, and only the first with a guess at what was meant.
        #expect(made.warnings.count == 1_000)
        #expect(made.warnings.count { $0.message.contains("did you mean") } <= 100)
        let words =
            "FROM scratch\n" + (0..<20).map { _ in "LABEL " + String(repeating: "a=$b ", count: 100) + "\n" }.joined()
        #expect(try await plan(words).warnings.count == 1_000)
    }

    @Test func `that fill the history are stopped`() async {
        let ports = "FROM scratch\n" + String(repeating: "EXPOSE 0-65535\n", count: 9_000)
        #expect(
            await message(ports)?.hasPrefix("the image's history is longer than the limit of 4194304 bytes") == true
        )
    }

    @Test func `that double a value in every line end in an error`() async {
        let text = "FROM scratch\nARG a=0123456789abcdef\n" + String(repeating: "ARG a=$a$a\n", count: 40)
        #expect(await message(text)?.contains("the expanded text is longer than") == true)
    }
}
