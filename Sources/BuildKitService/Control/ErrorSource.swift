import BuildEngine
import BuildKitProto
import DockerfileFrontend
import DockerfileSyntax
import LLB
import OCI
import SwiftProtobuf
import Text

/// A place in a file that an error is about, so that clients can show its lines.
struct ErrorSource {
    let file: SourceMap.File
    let spans: [SourceMap.Span]

    /// The places that an error is about, the first written first.
    static func all(of error: any Error) -> [ErrorSource] {
        switch error {
        case let step as StepFailure: step.places.map { ErrorSource(file: $0.file, spans: $0.spans) }
        case let error as DockerfileError: ErrorSource(error.source, error.ranges).map { [$0] } ?? []
        case let error as FrontendError: ErrorSource(error.source, error.ranges).map { [$0] } ?? []
        case let failure as OtherFrontendFailure: all(of: failure.frontend.refusal)
        default: []
        }
    }

    private init(file: SourceMap.File, spans: [SourceMap.Span]) {
        self.file = file
        self.spans = spans
    }

    private init?(_ source: SourceText?, _ ranges: [SourceRange]) {
        guard let source, !ranges.isEmpty else { return nil }
        file = SourceMap.File(name: Array(source.name.utf8), content: source.bytes)
        spans = ranges.map { SourceMap.Span(lines: $0.lines) }
    }

    /// The message of BuildKit's errors.
    var document: JSONValue {
        var info = [
            JSONValue.Member("filename", .string(String(decoding: file.name, as: UTF8.self))),
            JSONValue.Member("data", .string(base64(withoutCredentials(file.content)))),
            JSONValue.Member("language", .string(file.language)),
        ]
        if let definition { info.append(.init("definition", definition)) }
        let ranges = spans.flatMap(\.lineByLine).map { span in
            var members = [JSONValue.Member("start", Self.document(span.start))]
            if let end = span.end { members.append(.init("end", Self.document(end))) }
            return JSONValue.object(members)
        }
        return .object([.init("info", .object(info)), .init("ranges", .array(ranges))])
    }

    private static func document(_ position: SourceMap.Position) -> JSONValue {
        var members = [JSONValue.Member("line", .number(position.line))]
        if position.character != 0 { members.append(.init("character", .number(position.character))) }
        return .object(members)
    }

    /// The graph that the file comes from: tools look at other files beside it.
    ///
    /// A Dockerfile comes from the client.
    private var definition: JSONValue? {
        var graph = file.definition.flatMap { try? Pb_Definition(serializedBytes: $0) }
        if graph == nil, file.language == "Dockerfile" {
            var source = LocalSource(name: "dockerfile")
            source.followPaths = [file.name]
            graph = (try? Output.local(source)).flatMap { try? Definition(target: $0).message() }
        }
        return graph.map { .object([.init("def", .array($0.def.map { .string(base64([UInt8]($0))) }))]) }
    }
}

extension SourceMap.Span {
    /// The same with a part for each line, as BuildKit has it for Dockerfiles.
    fileprivate var lineByLine: [SourceMap.Span] {
        guard let end, start.character == 0, end.character == 0 else { return [self] }
        return (start.line...max(start.line, end.line)).map { SourceMap.Span(lines: $0...$0) }
    }
}
