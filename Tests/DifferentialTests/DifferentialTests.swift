import Foundation
import Glibc
import Testing

/// Slipway's images beside those that other builders make of the same Dockerfile and context.
///
/// The cases are the files of `Cases`; `Peers/differential.py` builds all of them once, a few at a time, with one daemon
/// and one store a builder, and compares the images entry by entry. `Accepted.txt` lists what may differ and why.
@Suite("Differences from other builders", .enabled(if: geteuid() == 0, "needs root"))
struct DifferentialTests {
    @Test("The image is the one its peers make", arguments: caseNames())
    func sameImage(name: String) async throws {
        let differences = try #require(try await comparison.value().cases[name], "the case was not built")
        for difference in differences { Issue.record(Comment(rawValue: difference)) }
    }

    @Test("There are as many Dockerfiles as were promised")
    func numberOfCases() { #expect(caseNames().count >= 120) }

    @Test("Every accepted difference is still there")
    func acceptedDifferencesAreUsed() async throws {
        #expect(try await comparison.value().unused == [])
    }

    @Test("buildah was among the peers")
    func buildahIsPresent() async throws {
        #expect(try await comparison.value().missing["buildah"] == nil)
    }

    @Test("Docker's BuildKit was among the peers")
    func dockerIsPresent() async throws {
        guard let reason = try await comparison.value().missing["docker"] else { return }
        // A daemon asks much of a machine; what buildah shows stands without it.
        try Test.cancel("dockerd does not run on this machine: \(reason)")
    }

    @Test("Layers are the same whatever the day, umask, user, directory, host and number of processors")
    func sameLayers() async throws {
        let result = try await inThread { try run("reproducible.py", giving: Reproduction.self) }
        #expect(result.surroundings == 8)
        #expect(result.cases.count >= 30)
        for (name, differences) in result.cases.sorted(by: { $0.key < $1.key }) {
            for difference in differences { Issue.record("\(name): \(difference)") }
        }
    }
}

/// The directory of the cases and of the program that compares.
private let directory = URL(filePath: #filePath).deletingLastPathComponent()

/// The names that the files of a directory have after `===`; none where a file cannot be read, which a test notices.
func caseNames(of directoryName: String = "Cases") -> [String] {
    let cases = directory.appending(path: directoryName)
    let files = (try? FileManager.default.contentsOfDirectory(atPath: cases.path)) ?? []
    return files.sorted().flatMap { file in
        ((try? String(contentsOf: cases.appending(path: file), encoding: .utf8)) ?? "")
            .split(whereSeparator: \.isNewline)
            .filter { $0.hasPrefix("=== ") }
            .map { String($0.dropFirst(4)) }
    }
}

/// What `differential.py` prints.
private struct Comparison: Decodable, Sendable {
    /// The differences that nothing explains, by case.
    let cases: [String: [String]]
    /// Why a peer could not take part.
    let missing: [String: String]
    let unused: [String]
}

/// What `reproducible.py` prints.
private struct Reproduction: Decodable, Sendable {
    /// The builds whose layers were not those of the first one, by case.
    let cases: [String: [String]]
    let surroundings: Int
}

/// Builds everything once, for all tests.
private let comparison = SharedRun<Comparison>(of: "differential.py")

/// What a program of `Peers` printed in its one run for all tests.
actor SharedRun<Value: Decodable & Sendable> {
    private let program: String
    private var running: Task<Value, any Error>?

    init(of program: String) { self.program = program }

    func value() async throws -> Value {
        if let running { return try await running.value }
        // Awaited by every test that asks; it ends by itself.
        let task = Task { [program] in try await inThread { try run(program, giving: Value.self) } }
        running = task
        return try await task.value
    }
}

func inThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
    }
}

/// Runs a program of `Peers` in a directory of its own and reads what it prints.
func run<Value: Decodable>(_ program: String, giving _: Value.Type) throws -> Value {
    let name = "slipway-peers-\(UUID().uuidString.prefix(8))"
    let scratch = FileManager.default.temporaryDirectory.appending(path: name)
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: scratch) }
    let output = scratch.appending(path: "result.json")
    let errors = scratch.appending(path: "errors")
    for file in [output, errors] { try Data().write(to: file) }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/python3")
    process.arguments = [
        directory.appending(path: "Peers/\(program)").path, "--slipway", slipway,
        "--scratch", scratch.appending(path: "work").path,
    ]
    process.environment = ProcessInfo.processInfo.environment.merging(["PYTHONDONTWRITEBYTECODE": "1"]) { $1 }
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        throw ProgramFailure(program: program, text: try String(contentsOf: errors, encoding: .utf8))
    }
    return try JSONDecoder().decode(Value.self, from: Data(contentsOf: output))
}

/// The program under test: beside the test bundle, where the package manager puts it, unless one is named.
private var slipway: String {
    if let given = ProcessInfo.processInfo.environment["SLIPWAY_TEST_BINARY"] { return given }
    return URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "slipway").path
}

private struct ProgramFailure: Error, CustomStringConvertible {
    let program: String
    let text: String
    var description: String { "\(program) failed: \(text)" }
}
