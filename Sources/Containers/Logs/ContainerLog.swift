package import LinuxSystem
internal import Synchronization
internal import SystemPackage
internal import Text

/// One line of a container's log, as the monitor writes it: time, stream, whether the line is partial, and the text.
package struct ContainerLogLine: Sendable, Hashable {
    /// 1 or 2.
    package let stream: CInt
    private let stamp: ArraySlice<UInt8>
    private let text: ArraySlice<UInt8>
    /// Whether a newline follows the text.
    let isWhole: Bool

    /// When it was written; nil where the log is damaged.
    package var time: FileTime? { FileTime(rfc3339: String(decoding: stamp, as: UTF8.self)) }

    /// With its newline, if it had one.
    package var bytes: [UInt8] { text + (isWhole ? [0x0a] : []) }

    /// Reads `2026-11-23T10:00:00.123456789+00:00 stdout F text`; nil for anything else.
    package init?(parsing line: ArraySlice<UInt8>) {
        var rest = line
        func field() -> ArraySlice<UInt8>? {
            guard let end = rest.firstIndex(of: 0x20) else { return nil }
            defer { rest = rest[(end + 1)...] }
            return rest[..<end]
        }
        guard let stamp = field(), let name = field(), let form = field() else { return nil }
        if name == "stdout" {
            stream = 1
        } else if name == "stderr" {
            stream = 2
        } else {
            return nil
        }
        self.stamp = stamp
        text = rest
        isWhole = form.first == "F"
    }
}

/// Writes a container's log in the monitor's form, for containers that have no monitor.
final class ContainerLog: Sendable {
    private let file: OpenFile
    /// What was written of a line whose end has not come, by stream.
    private let pending = Mutex<[CInt: [UInt8]]>([:])
    /// The monitor cuts lines at this length too.
    private static let longestLine = 8192

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(appendingTo path: FilePath) throws(SystemCallError) {
        file = try OpenFile.open(path, [.writeOnly, .create, .append], mode: 0o600)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func append(_ bytes: [UInt8], stream: CInt) throws(SystemCallError) {
        let time = Self.time()
        let lines = pending.withLock { pending -> [UInt8] in
            var text = ((pending[stream] ?? []) + bytes)[...]
            var lines: [UInt8] = []
            while let end = text.firstIndex(of: 0x0a) {
                lines += Self.line(text[..<end], stream, time, isWhole: true)
                text = text[(end + 1)...]
            }
            while text.count > Self.longestLine {
                lines += Self.line(text.prefix(Self.longestLine), stream, time, isWhole: false)
                text = text.dropFirst(Self.longestLine)
            }
            pending[stream] = Array(text)
            return lines
        }
        if !lines.isEmpty { try file.write(lines) }
    }

    /// Writes down lines that never ended.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func finish() throws(SystemCallError) {
        let time = Self.time()
        let lines = pending.withLock { pending -> [UInt8] in
            let rest = pending.sorted { $0.key < $1.key }.filter { !$0.value.isEmpty }
            pending = [:]
            return rest.flatMap { Self.line($0.value[...], $0.key, time, isWhole: false) }
        }
        if !lines.isEmpty { try file.write(lines) }
    }

    private static func line(_ text: ArraySlice<UInt8>, _ stream: CInt, _ time: String, isWhole: Bool) -> [UInt8] {
        Array("\(time) \(stream == 2 ? "stderr" : "stdout") \(isWhole ? "F" : "P") ".utf8) + text + [0x0a]
    }

    private static func time() -> String { FileTime.now().withNanoseconds + "+00:00" }
}
