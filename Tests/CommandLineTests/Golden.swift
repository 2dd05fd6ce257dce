import Foundation
import Testing

/// Compares text with `Golden/<name>.txt`; `SLIPWAY_WRITE_GOLDEN=1` writes the files instead.
func expectGolden(_ text: String, _ name: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(name).txt")
    if ProcessInfo.processInfo.environment["SLIPWAY_WRITE_GOLDEN"] != nil {
        try Data(text.utf8).write(to: file)
        return
    }
    let expected = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    #expect(text == expected, "Golden/\(name).txt differs", sourceLocation: sourceLocation)
}
