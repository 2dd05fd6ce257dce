import Foundation
import LinuxSystem
import Sandboxes
import SystemPackage
import Testing

/// Directories of cgroups, of which every process that makes one removes those of processes that have ended.
@Suite struct `The directory of a cgroup` {
    @Test func `is made although other processes take it for abandoned meanwhile`() throws {
        let parent = FilePath(FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path)
        try HostFiles.createDirectory(parent)
        defer { try? FileManager.default.removeItem(atPath: parent.string) }
        let isOver = Flag()
        let others = (0..<2).map { _ in
            Thread {
                while !isOver.isSet { ControlGroup.removeAbandoned(in: parent) }
                isOver.end()
            }
        }
        others.forEach { $0.start() }
        defer {
            isOver.set()
            isOver.wait(for: others.count)
        }
        for number in 0..<500 {
            let directory = parent.appending("slipway-1-\(number)")
            let lock = try ControlGroup.hold(directory)
            let status = try withExtendedLifetime(lock) { try HostFiles.status(of: directory) }
            #expect(status != nil)
        }
    }

    @Test func `cannot be made where its parent is missing`() throws {
        let error = #expect(throws: SystemCallError.self) { try ControlGroup.hold("/nonexistent/slipway-1-1") }
        #expect(error?.errno == .noSuchFileOrDirectory)
    }
}

/// Tells threads to end, and when they have.
private final class Flag: Sendable {
    private let ended = DispatchSemaphore(value: 0)
    private let state = NSLock()
    nonisolated(unsafe) private var value = false

    var isSet: Bool { state.withLock { value } }

    func set() { state.withLock { value = true } }

    func end() { ended.signal() }

    func wait(for count: Int) { (0..<count).forEach { _ in ended.wait() } }
}
