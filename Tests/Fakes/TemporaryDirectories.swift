internal import Foundation
package import SystemPackage

/// Lends an empty directory, which is removed when the test is over.
package func withTemporaryDirectory<Value>(_ body: (FilePath) async throws -> Value) async throws -> Value {
    let directory = FileManager.default.temporaryDirectory.appending(path: "slipway-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: directory) }
    return try await body(FilePath(directory.path))
}

/// Lends the path of a docker configuration in a directory of its own; nil is one that does not exist yet.
package func withDockerConfiguration(_ text: String?, _ body: (FilePath) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
        let path = directory.appending("docker/config.json")
        if let text {
            let parent = path.removingLastComponent().string
            try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: false)
            try Data(text.utf8).write(to: URL(filePath: path.string))
        }
        try await body(path)
    }
}
