import Foundation
import Testing

/// One file of the product.
struct SourceFile {
    let target: String
    /// The path below `Sources`.
    let name: String
    let text: String

    var isGenerated: Bool { name.hasSuffix(".pb.swift") || name.hasSuffix(".grpc.swift") }
}

let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

func sourceFiles() throws -> [SourceFile] {
    let sources = root.appending(path: "Sources").resolvingSymlinksInPath()
    let enumerator = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)
    let urls = (enumerator?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "swift" }
    try #require(urls.isEmpty == false)
    return try urls.map { url in
        let name = url.resolvingSymlinksInPath().path.dropFirst(sources.path.count + 1)
        return SourceFile(
            target: String(name.split(separator: "/")[0]),
            name: String(name),
            text: try String(contentsOf: url, encoding: .utf8)
        )
    }
}
