internal import Containers
internal import LinuxSystem
internal import Text

/// How Docker's API carries two outputs on one connection: each piece with a head that says whose it is and how long.
enum StreamFrames {
    /// Of one output alone, as a terminal's, in plain bytes.
    static let rawType = "application/vnd.docker.raw-stream"
    static let multiplexedType = "application/vnd.docker.multiplexed-stream"

    static func frame(_ bytes: [UInt8], of stream: CInt) -> [UInt8] {
        let count = UInt32(truncatingIfNeeded: bytes.count)
        let size = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> UInt32($0)) }
        return [UInt8(truncatingIfNeeded: stream), 0, 0, 0] + size + bytes
    }

    /// The type that answers have; clients before version 1.42 know one for both.
    static func type(hasTerminal: Bool, for version: APIVersion) -> String {
        hasTerminal || version < APIVersion(1, 42) ? rawType : multiplexedType
    }
}

/// Which outputs a client wants, and in which form.
struct WantedOutput: Sendable {
    var output: Bool
    var errors: Bool
    var hasTerminal: Bool
    var showsTimes = false
    var showsDetails = false

    /// The bytes to send for some lines of a log; none where they are not wanted.
    func bytes(of lines: [ContainerLogLine]) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = lines[...]
        while let stream = rest.first?.stream {
            let run = rest.prefix { $0.stream == stream }
            rest = rest.dropFirst(run.count)
            guard stream == 2 ? errors : output else { continue }
            // One head for neighbours, but not where clients tell lines apart by heads.
            if showsTimes || showsDetails {
                for line in run { bytes += framed(text(of: line), stream) }
            } else {
                bytes += framed(run.reduce(into: []) { $0 += $1.bytes }, stream)
            }
        }
        return bytes
    }

    func framed(_ bytes: [UInt8], _ stream: CInt) -> [UInt8] {
        hasTerminal || bytes.isEmpty ? bytes : StreamFrames.frame(bytes, of: stream)
    }

    private func text(of line: ContainerLogLine) -> [UInt8] {
        var text: [UInt8] = []
        if showsTimes, let time = line.time { text += "\(time.withNanoseconds)Z " }
        // No log driver here has details, for which the engine leaves this space.
        if showsDetails { text.append(" ") }
        return text + line.bytes
    }
}
