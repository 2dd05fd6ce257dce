import Foundation
import Glibc

/// How a program ended and what it said.
struct ProgramResult: Sendable {
    /// The exit status, or 128 + the signal that ended it.
    let status: Int32
    let output: [UInt8]
    let errorOutput: [UInt8]

    var text: String { String(decoding: output, as: UTF8.self) }
    var errorText: String { String(decoding: errorOutput, as: UTF8.self) }
}

struct ProgramNotFound: Error, CustomStringConvertible {
    let name: String
    var description: String { "no program \(name) on PATH" }
}

/// Runs a program to its end, away from the cooperative pool.
func runProgram(
    _ program: String,
    _ arguments: [String],
    in directory: URL? = nil,
    environment: [String: String] = [:],
    input: [UInt8] = []
) async throws -> ProgramResult {
    guard let path = findProgram(program) else { throw ProgramNotFound(name: program) }
    return try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(
                with: Result {
                    try runBlocking(path, arguments, in: directory, environment: environment, input: input)
                }
            )
        }
    }
}

private func runBlocking(
    _ path: String,
    _ arguments: [String],
    in directory: URL?,
    environment: [String: String],
    input: [UInt8]
) throws -> ProgramResult {
    // Output goes to files: a grandchild that keeps a pipe open must not keep the test waiting.
    let scratch = try TemporaryDirectory()
    let outputFile = scratch.url.appending(path: "out")
    let errorFile = scratch.url.appending(path: "err")
    let inputFile = scratch.url.appending(path: "in")
    try Data(input).write(to: inputFile)
    try Data().write(to: outputFile)
    try Data().write(to: errorFile)
    let process = Process()
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    if let directory { process.currentDirectoryURL = directory }
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = try FileHandle(forReadingFrom: inputFile)
    process.standardOutput = try FileHandle(forWritingTo: outputFile)
    process.standardError = try FileHandle(forWritingTo: errorFile)
    try process.run()
    process.waitUntilExit()
    return ProgramResult(
        status: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus,
        output: Array(try Data(contentsOf: outputFile)),
        errorOutput: Array(try Data(contentsOf: errorFile))
    )
}

/// A directory that is removed with the object.
final class TemporaryDirectory: Sendable {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "slipway-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    var path: String { url.path }

    deinit { try? FileManager.default.removeItem(at: url) }

    /// Writes a text file below the directory, making the directories it needs.
    func write(_ text: String, to name: String) throws {
        let file = url.appending(path: name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }
}
