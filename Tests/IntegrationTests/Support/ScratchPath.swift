import SystemPackage

/// Lends a directory of one test's own, removed with everything in it when the test is over.
func withScratchDirectory<Value>(_ body: (FilePath) async throws -> Value) async throws -> Value {
    let directory = try TemporaryDirectory()
    defer { withExtendedLifetime(directory) {} }
    return try await body(FilePath(directory.path))
}
