package import LinuxSystem
import Synchronization
import SystemPackage

/// Which lines of a log are wanted, and for how long.
package struct LogSelection: Sendable {
    /// How many of the last lines, before `since` and `until` are looked at; nil is all.
    package var tail: Int?
    /// Earlier lines are left out.
    package var since: FileTime?
    /// Later lines are left out.
    package var until: FileTime?
    /// Whether lines are waited for while the container runs.
    package var follows = false
    /// Where in the log to begin; nil is where `tail` says.
    var start: Int64?
    /// Where in the log to stop.
    var end: Int64?

    package init() {}

    func accepts(_ line: ContainerLogLine) -> Bool {
        if since == nil, until == nil { return true }
        guard let time = line.time else { return false }
        return since.map { time >= $0 } ?? true && until.map { time <= $0 } ?? true
    }
}

extension ContainerStore {
    /// Hands on what a container has written, piece by piece: a log may be longer than memory.
    /// - Parameters:
    ///   - container: the container that wrote it.
    ///   - selection: which lines.
    ///   - show: takes some lines at a time.
    /// - Throws: what `show` throws, `SystemCallError`; `CancellationError` if the task is cancelled while it follows.
    package func logs(
        of container: ContainerRecord,
        _ selection: LogSelection = LogSelection(),
        show: ([ContainerLogLine]) async throws -> Void
    ) async throws {
        let file = LogFile(path: log(of: container))
        var offset = try await onBlockingPool {
            if let start = selection.start { return start }
            return try selection.tail.map { try file.start(ofLast: $0) } ?? 0
        }
        let process = container.state.process
        var isWhole = process == nil
        while true {
            let size = try await onBlockingPool { try file.size() }
            while selection.end.map({ offset < $0 }) ?? true,
                let piece = try await onBlockingPool({ [offset] in try file.lines(from: offset) })
            {
                let lines = piece.lines.filter(selection.accepts)
                if !lines.isEmpty { try await show(lines) }
                offset = piece.end
                try Task.checkCancellation()
            }
            guard selection.follows, !isWhole, let process else { return }
            let time = selection.until.map { Self.duration(from: .now(), to: $0) }
            if let time, time <= .zero { return }
            let grown = try await FileWatch.wait(in: [directory(of: container.id)], while: process, atMost: time) {
                [size] in
                try file.size() == size ? nil : true
            }
            if grown == nil, try await onBlockingPool({ try process.waitUntilEnded(atMost: .zero) }) {
                // Its keeper writes down the last of what it wrote before it notes how it ended.
                _ = try await noted(exitCodeOf: container)
                isWhole = true
            }
        }
    }
}

extension ContainerLogLine {
    /// What the lines of a log from an offset on hold, as long as they are few.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func content(of path: FilePath, from offset: Int64) throws(SystemCallError) -> [UInt8] {
        try LogFile(path: path).lines(from: offset)?.lines.flatMap(\.bytes) ?? []
    }
}

extension ContainerStore {
    private static func duration(from start: FileTime, to end: FileTime) -> Duration {
        .seconds(end.seconds - start.seconds) + .nanoseconds(Int64(end.nanoseconds) - Int64(start.nanoseconds))
    }
}

/// A log that grows, read in pieces of some size.
private final class LogFile: Sendable {
    private let path: FilePath
    /// Opened once: what has been found is read to its end, though the container be removed meanwhile.
    private let file = Mutex<OpenFile?>(nil)
    private static let pieceSize = 1 << 18
    /// As much of an entry as tells whether its line goes on in the next one.
    private static let headSize = 64

    init(path: FilePath) { self.path = path }

    /// Where the last lines begin; what has no newline yet is none, and the monitor writes a long line in several entries.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func start(ofLast count: Int) throws(SystemCallError) -> Int64 {
        guard let file = try open() else { return 0 }
        var end = try file.status().size
        var missing = count
        // Where the entry after this one begins, which begins a line if this one ends one; nil after the last.
        var next: Int64?
        var isAtEnd = true
        while end > 0 {
            let begin = max(0, end - Int64(Self.pieceSize))
            let piece = try bytes(of: file, at: begin, count: Int(end - begin) + Self.headSize)
            for index in piece[..<min(piece.count, Int(end - begin))].indices.reversed() where piece[index] == 0x0a {
                let start = begin + Int64(index) + 1
                if isAtEnd, missing == 0 { return start }
                if let next, Self.endsLine(piece[(index + 1)...]) {
                    missing -= 1
                    if missing == 0 { return next }
                }
                next = isAtEnd ? nil : start
                isAtEnd = false
            }
            if begin == 0, missing == 1, let next, Self.endsLine(piece[...]) { return next }
            end = begin
        }
        return 0
    }

    private static func endsLine(_ entry: ArraySlice<UInt8>) -> Bool {
        ContainerLogLine(parsing: entry.prefix(headSize))?.isWhole ?? true
    }

    /// The whole lines that begin at an offset, some of them at a time; nil where there is none yet.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func lines(from offset: Int64) throws(SystemCallError) -> (lines: [ContainerLogLine], end: Int64)? {
        guard let file = try open() else { return nil }
        var size = Self.pieceSize
        while true {
            let piece = try bytes(of: file, at: offset, count: size)
            if let last = piece.lastIndex(of: 0x0a) {
                let lines = piece[..<last].split(separator: 0x0a).compactMap { ContainerLogLine(parsing: $0) }
                return (lines, offset + Int64(last) + 1)
            }
            // The monitor writes no line longer than a piece; a damaged log may hold anything.
            guard piece.count == size else { return nil }
            if size >= 16 << 20 { return ([], offset + Int64(size)) }
            size *= 2
        }
    }

    /// 0 where there is no log yet.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func size() throws(SystemCallError) -> Int64 { try open()?.status().size ?? 0 }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func open() throws(SystemCallError) -> OpenFile? {
        if let file = file.withLock({ $0 }) { return file }
        do throws(SystemCallError) {
            let opened = try OpenFile.open(path, .readOnly)
            file.withLock { $0 = opened }
            return opened
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
    }

    private func bytes(of file: OpenFile, at offset: Int64, count: Int) throws(SystemCallError) -> [UInt8] {
        var failure: SystemCallError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            do throws(SystemCallError) {
                while filled < count {
                    let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[filled...])
                    let read = try file.read(into: rest, at: offset + Int64(filled))
                    if read == 0 { break }
                    filled += read
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }
}
