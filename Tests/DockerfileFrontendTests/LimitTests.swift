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

    @Test func `that double a value in every line end in an error`() async {
        let text = "FROM scratch\nARG a=0123456789abcdef\n" + String(repeating: "ARG a=$a$a\n", count: 40)
        #expect(await message(text)?.contains("the expanded text is longer than") == true)
    }
}
