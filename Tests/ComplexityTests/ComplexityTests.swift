import DockerfileFrontend
import DockerfileSyntax
import Foundation
import GoTemplate
import OCI
import Proofs
import Terminal
import Testing
import Text

@testable import CommandLine
@testable import Containers

/// What others write may be long: four times as much of it may take about four times as long, not sixteen times.
@Suite(.serialized) struct `Four times the input` {
    @Test(.proves("A3: an image, an archive, a Dockerfile"), arguments: Enlargement.all)
    func `takes less than eight times the processor time`(enlargement: Enlargement) async throws {
        let growth = try await enlargement.work.growth(from: enlargement.size)
        #expect(growth < Work.bound, "\(enlargement): \(growth)")
    }
}

struct Enlargement: Sendable, CustomTestStringConvertible {
    let work: Work
    let size: Int

    static let all = (documents + dockerfiles + containers + outputs).flatMap { work in
        Set([1_000, 10_000, 50_000].map { min($0, work.limit) / 2 }).sorted().map { Enlargement(work: work, size: $0) }
    }

    var testDescription: String { "\(work.name), from \(size) to \(4 * size)" }
}

private let digest = "sha256:" + String(repeating: "a", count: 64)

private func configuration(_ config: String, _ more: String = "") -> [UInt8] {
    Array(
        #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{\#(config)}\#(more)}"#
            .utf8
    )
}

/// `n` texts with a comma after all but the last.
private func list(_ count: Int, _ item: (Int) -> String) -> String { (0..<count).map(item).joined(separator: ",") }

private func reading(_ name: String, limit: Int = 50_000, _ make: @escaping @Sendable (Int) -> [UInt8]) -> Work {
    Work("\(name) of a configuration", limit: limit) { count in
        let bytes = make(count)
        return { _ = try ImageConfiguration(parsing: bytes) }
    }
}

private let documents: [Work] = [
    reading("labels") { count in configuration(#""Labels":{\#(list(count) { #""label.\#($0)":"v""# })}"#) },
    reading("variables") { count in configuration(#""Env":[\#(list(count) { #""VARIABLE\#($0)=v""# })]"#) },
    reading("ports") { count in configuration(#""ExposedPorts":{\#(list(count) { #""\#($0)/tcp":{}"# })}"#) },
    reading("volumes") { count in configuration(#""Volumes":{\#(list(count) { #""/v\#($0)":{}"# })}"#) },
    reading("unknown fields") { count in configuration(list(count) { #""Field\#($0)":\#($0)"# }) },
    reading("history", limit: 30_000) { count in
        configuration("", #","history":[\#(list(count) { #"{"created_by":"step \#($0)","empty_layer":true}"# })]"#)
    },
    Work("layers of a manifest") { count in
        let layers = list(count) { _ in #"{"mediaType":"a","digest":"\#(digest)","size":1}"# }
        let text =
            #"{"schemaVersion":2,"config":{"mediaType":"a","digest":"\#(digest)","size":1},"layers":[\#(layers)]}"#
        let bytes = Array(text.utf8)
        return { _ = try Manifest(parsing: bytes, declaredAs: .ociManifest) }
    },
    Work("annotations of an index", limit: 50_000) { count in
        let annotations = list(count) { #""key.\#($0)":"v""# }
        let bytes = Array(#"{"schemaVersion":2,"manifests":[],"annotations":{\#(annotations)}}"#.utf8)
        return { _ = try Index(parsing: bytes, declaredAs: .ociIndex) }
    },
]

/// Images by any name: all are the same.
private struct OneImage: ImageMetadataResolver {
    let configuration: ImageConfiguration
    func resolve(_ reference: ImageReference, platform: Platform) async throws -> ResolvedBase {
        ResolvedBase(digest: Digest.sha256(of: "image"), configuration: configuration)
    }
}

private func translating(
    _ name: String,
    limit: Int = 10_000,
    base: @escaping @Sendable (Int) -> ContainerDefaults = { _ in ContainerDefaults() },
    arguments: @escaping @Sendable (Int) -> Variables = { _ in Variables() },
    _ text: @escaping @Sendable (Int) -> String
) -> Work {
    Work("\(name) of a Dockerfile", limit: limit) { count in
        let bytes = Array(text(count).utf8)
        var options = BuildOptions()
        options.buildPlatform = Platform(os: "linux", architecture: "amd64")
        options.buildArguments = arguments(count)
        var image = ImageConfiguration(platform: options.buildPlatform)
        image.config = base(count)
        return { [options, image] in
            let dockerfile = try Dockerfile(parsing: bytes, name: "Dockerfile")
            _ = try await translate(dockerfile, options: options, resolver: OneImage(configuration: image))
        }
    }
}

/// One instruction with many arguments, on as many lines.
private func long(_ instruction: String, _ count: Int, _ item: (Int) -> String) -> String {
    "FROM image\n\(instruction) " + (0..<count).map(item).joined(separator: " \\\n") + "\n"
}

private let dockerfiles: [Work] = [
    translating("labels of one LABEL") { long("LABEL", $0) { "l\($0)=v" } },
    translating("LABELs", limit: 4_000) { "FROM image\n" + (0..<$0).map { "LABEL l\($0)=v\n" }.joined() },
    translating("variables of one ENV") { long("ENV", $0) { "V\($0)=v" } },
    translating(
        "ENVs on as many variables of its image",
        limit: 4_000,
        base: { count in
            var defaults = ContainerDefaults()
            defaults.environment = (0..<count).map { "V\($0)=v" }
            return defaults
        }
    ) { count in
        "FROM image\n" + (0..<count).map { "ENV V\($0)=w\n" }.joined()
    },
    translating("volumes") { long("VOLUME", $0) { "/v\($0)" } },
    translating("ports") { long("EXPOSE", $0) { "\($0 % 65_535 + 1)/\(["tcp", "udp", "sctp"][$0 / 65_535])" } },
    translating("triggers", limit: 4_000) { "FROM image\n" + (0..<$0).map { "ONBUILD USER u\($0)\n" }.joined() },
    translating(
        "build arguments",
        arguments: { count in Variables((0..<count).map { ("A\($0)", "v") }) }
    ) {
        long("ARG", $0) { "A\($0)" }
    },
    Work("patterns of an ignore file, on as many paths") { count in
        let text = Array((0..<count).map { "d\($0)/*.tmp\n!d\($0)/keep.tmp\n**/x\($0)\n" }.joined().utf8)
        let paths: [[UInt8]] = (0..<count).map { "d\($0)/a.tmp" }
        return {
            let file = try IgnoreFile(parsing: text)
            var ignored = 0
            for path in paths where file.ignores(path) { ignored += 1 }
            #expect(ignored == paths.count)
        }
    },
    Work("patterns of an ignore file with wildcards at both ends") { count in
        let text = Array((0..<min(count, 900)).map { "*a\($0)*xyz\n" }.joined().utf8)
        let times = max(1, count / 900)
        return { for _ in 0..<times { _ = try IgnoreFile(parsing: text) } }
    },
]

private func creating(_ name: String, _ make: @escaping @Sendable (Int) -> ContainerRequest) -> Work {
    Work("\(name) of a container") { count in
        let request = make(count)
        return { _ = try ContainerStore.configuration(for: request, id: "0123456789abcdef") }
    }
}

private func request(_ change: (inout ContainerDefaults) -> Void) -> ContainerRequest {
    var defaults = ContainerDefaults()
    defaults.command = ["sh"]
    change(&defaults)
    return ContainerRequest(
        imageName: "image",
        image: ImageToRun(id: Digest.sha256(of: []), defaults: defaults, layers: [])
    )
}

private let containers: [Work] = [
    creating("variables, on as many of its image") { count in
        var request = request { $0.environment = (0..<count).map { "V\($0)=v" } }
        request.environment = (0..<count).map { "V\($0)=w" }
        return request
    },
    creating("mounts, on as many volumes of its image") { count in
        var request = request { defaults in
            defaults.volumes = Dictionary(uniqueKeysWithValues: (0..<count).map { ("/v\($0)", EmptyObject()) })
        }
        request.mounts = (0..<count).map { ContainerMount(.tmpfs(size: nil), at: "/v\($0)") }
        return request
    },
    creating("labels, on as many of its image") { count in
        var request = request { $0.labels = Dictionary(uniqueKeysWithValues: (0..<count).map { ("l\($0)", "v") }) }
        request.labels = Dictionary(uniqueKeysWithValues: (0..<count).map { ("l\($0)", "w") })
        return request
    },
    Work("variables of a command line") { count in
        let words = (0..<count).flatMap { ["-e", "V\($0)=v"] }.map { Array($0.utf8) } + ["image"]
        return {
            var command = CreateCommand()
            let parser = FlagParser(CreateCommand.flags, allowsFlagsAfterArguments: false)
            _ = try parser.parse(words, into: &command)
        }
    },
]

private let outputs: [Work] = [
    Work("labels of a template") { count in
        let labels = Dictionary(uniqueKeysWithValues: (0..<count).map { ("l\($0)", "v") })
        let template = try Template("{{range $k, $v := .}}{{$k}}={{$v}} {{end}}{{json .}}")
        return { _ = try template.render(.labels(labels)) }
    },
    Work("labels of an inspection") { count in
        let labels = Dictionary(uniqueKeysWithValues: (0..<count).map { ("l\($0)", "v") })
        return { _ = TemplateValue.labels(labels).indentedJSON() }
    },
    Work("rows of a table") { count in
        let rows = (0..<count).map { ["\($0)", "\u{1b}name \($0)", "text"] }
        return {
            var table = TextTable()
            for row in rows { table.append(row) }
            _ = table.rendered()
        }
    },
    Work("lines of a text") { count in
        let text = (0..<count).map { "line \($0) \u{1b}[31m é\n" }.joined()
        return { _ = safeLines(text) }
    },
]
