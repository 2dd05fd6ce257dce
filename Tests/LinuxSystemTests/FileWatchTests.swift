import Foundation
import LinuxSystem
import Synchronization
import SystemPackage
import Testing

@Suite(.timeLimit(.minutes(5))) struct `Waiting for files` {
    private let scratch: FilePath

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "slipway-watch-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        scratch = FilePath(url.path)
    }

    /// Waits for the content of `file`, and counts how often it was looked for.
    private func wait(
        for file: FilePath,
        in directories: [FilePath],
        while process: ProcessReference? = nil,
        atMost time: Duration? = nil,
        looks: Looks = Looks()
    ) async throws -> String? {
        try await FileWatch.wait(in: directories, while: process, atMost: time) {
            looks.count.withLock { $0 += 1 }
            guard let bytes = try contentsIfPresent(of: file, limit: 100), !bytes.isEmpty else { return nil }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    private final class Looks: Sendable { let count = Mutex(0) }

    /// Waits until it was looked at least once.
    private func begun(_ looks: Looks) async throws {
        while looks.count.withLock({ $0 }) == 0 { try await Task.sleep(for: .milliseconds(1)) }
    }

    private func write(_ text: String, to path: FilePath) throws {
        try Data(text.utf8).write(to: URL(filePath: path.string))
    }

    private func removeAll() async throws {
        try await onBlockingPool { [scratch] in try removeTree(scratch) }
    }

    @Test func `ends with what is there already`() async throws {
        try write("text", to: scratch.appending("a"))
        #expect(try await wait(for: scratch.appending("a"), in: [scratch]) == "text")
        try await removeAll()
    }

    @Test func `ends with what is written, without looking again and again`() async throws {
        let looks = Looks()
        let file = scratch.appending("a")
        let found = Task { try await wait(for: file, in: [scratch], looks: looks) }
        try await begun(looks)
        try await Task.sleep(for: .milliseconds(150))
        #expect(looks.count.withLock { $0 } == 1)
        try write("text", to: file)
        #expect(try await found.value == "text")
        try await removeAll()
    }

    @Test func `sees directories come, and what is in them`() async throws {
        let looks = Looks()
        let directories = [scratch, scratch.appending("b"), scratch.appending("b/c")]
        let found = Task { try await wait(for: scratch.appending("b/c/a"), in: directories, looks: looks) }
        try await begun(looks)
        try await onBlockingPool { [scratch] in try HostFiles.createDirectories(scratch.appending("b/c")) }
        try write("text", to: scratch.appending("b/c/a"))
        #expect(try await found.value == "text")
        try await removeAll()
    }

    @Test func `ends without it when the time is over, or the process that would write it`() async throws {
        let file = scratch.appending("a")
        #expect(try await wait(for: file, in: [scratch], atMost: .milliseconds(20)) == nil)
        #expect(try await wait(for: file, in: [scratch], atMost: .zero) == nil)
        let child = try await ChildProcess.start(ChildProcessConfiguration(.named("sleep"), ["60"]))
        let process = await onBlockingPool { ProcessReference(processID: child.processID) }
        let looks = Looks()
        let found = Task { try await wait(for: file, in: [scratch], while: process, looks: looks) }
        try await begun(looks)
        try child.send(signal: .kill)
        _ = try await child.wait()
        #expect(try await found.value == nil)
        // What the process has written before its end is found.
        try write("text", to: file)
        #expect(try await wait(for: file, in: [scratch], while: process) == "text")
        try await removeAll()
    }

    @Test func `ends when the task is cancelled`() async throws {
        let looks = Looks()
        let found = Task { try await wait(for: scratch.appending("a"), in: [scratch], looks: looks) }
        try await begun(looks)
        found.cancel()
        await #expect(throws: CancellationError.self) { try await found.value }
        try await removeAll()
    }
}

@Suite(.timeLimit(.minutes(5))) struct `Waiting for locks` {
    @Test func `ends when the task is cancelled, and what comes too late is let go`() async throws {
        let path = FilePath("/tmp/slipway-obtain-\(UUID().uuidString)")
        var held: FileLock? = try await onBlockingPool { try FileLock.acquire(path, .exclusive) }
        let waits = Mutex(false)
        let waiting = Task {
            _ = try await FileLock.obtain(path, .exclusive, whenTaken: { waits.withLock { $0 = true } })
        }
        while !waits.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        withExtendedLifetime(held) { held = nil }
        // The thread that is left behind gets it, and gives it up.
        _ = try await FileLock.obtain(path, .exclusive)
        _ = try await onBlockingPool { try HostFiles.remove(path) }
    }

    @Test func `of a directory ends after some time`() async throws {
        let path = FilePath("/tmp/slipway-obtain-\(UUID().uuidString)")
        _ = try await onBlockingPool { try HostFiles.createDirectory(path) }
        var held: FileLock? = try await FileLock.obtain(directory: path)
        #expect(try await FileLock.obtain(directory: path, within: .milliseconds(20)) == nil)
        withExtendedLifetime(held) { held = nil }
        #expect(try await FileLock.obtain(directory: path, within: .seconds(60)) != nil)
        try await onBlockingPool { try removeTree(path) }
    }
}
