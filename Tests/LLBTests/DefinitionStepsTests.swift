import LLB
import OCI
import Testing
import Text

/// Definitions as provenance tells of them, in the form of BuildKit's own documents.
@Suite struct `Steps of a definition` {
    private func definition() throws -> Definition {
        let context = try Output.local(LocalSource(name: "context"))
        let copied = try Output.file(
            on: nil,
            [.copy(FileCopy(source: "/a", destination: "/b"), from: .output(context))]
        )
        let process = Process(arguments: ["true"], directory: "/")
        let built = try Output.run(Exec(process: process, mounts: [.root(copied)]))
        let file = SourceMap.File(name: "Dockerfile", content: "FROM scratch\n")
        let places = [built.node.digest: [SourceMap.Place(file: 0, [SourceMap.Span(lines: 3...4)])]]
        return Definition(target: built, sources: SourceMap(files: [file], places: places))
    }

    private func objects(_ value: JSONValue) -> [[String: JSONValue]] {
        guard case .array(let values) = value else { return [] }
        return values.map { value in
            guard case .object(let members) = value else { return [:] }
            return JSONValue.byName(members)
        }
    }

    @Test func `are numbered in the order in which they are needed, and name what they use`() throws {
        let steps = try #require(try definition().steps())
        let told = objects(steps.document)
        #expect(told.map { $0["id"] } == (0...3).map { .string("step\($0)") })
        #expect(told.map { $0["inputs"] } == [nil] + (0...2).map { .array([.string("step\($0):0")]) })
    }

    @Test func `are written by Go's rules`() throws {
        let steps = try #require(try definition().steps())
        let operations = objects(steps.document).map { $0["op"]?.text() ?? "" }
        #expect(operations[0] == #"{"Op":{"source":{"identifier":"local://context"}}}"#)
        #expect(
            operations[1].hasPrefix(
                #"{"Op":{"file":{"actions":[{"input":-1,"secondaryInput":0,"output":0,"Action":{"copy":{"#
            )
        )
        #expect(operations[2].contains(#"{"exec":{"meta":{"args":["true"],"cwd":"/"},"mounts":[{"dest":"/"}]}}"#))
        #expect(operations[3] == #"{"Op":{}}"#)
    }

    @Test func `have their places line by line`() throws {
        let sources = try #require(try definition().steps()?.sources).text()
        let lines = #"[{"start":{"line":3},"end":{"line":3}},{"start":{"line":4},"end":{"line":4}}]"#
        #expect(sources.contains(#""step2":{"locations":[{"ranges":"# + lines))
    }

    @Test func `of what brings the file it was written in stand beside that file`() throws {
        var definition = try definition()
        let origin = Definition(target: try Output.local(LocalSource(name: "dockerfile")))
        definition.sources.files[0].definition = try origin.marshalled()
        let sources = try #require(try definition.steps()?.sources).text()
        #expect(sources.contains(#""op":{"Op":{"source":{"identifier":"local://dockerfile"}}}"#))
        let digest = try #require(origin.nodes.last?.digest)
        #expect(sources.contains(#""digestMapping":{"#))
        #expect(sources.contains(#""\#(digest)":"step0""#))
    }

    @Test func `of the empty tree are none`() throws { #expect(try Definition(target: nil).steps()?.numbers == nil) }
}
