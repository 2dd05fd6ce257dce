/// One line of a container's log, as the monitor writes it: time, stream, whether the line is partial, and the text.
package struct ContainerLogLine: Sendable, Hashable {
    /// RFC 3339 with nanoseconds.
    package let time: String
    /// 1 or 2.
    package let stream: CInt
    /// With its newline, if it had one.
    package let bytes: [UInt8]

    /// Reads `2026-11-23T10:00:00.123456789+00:00 stdout F text`; nil for anything else.
    package init?(parsing line: ArraySlice<UInt8>) {
        let fields = line.split(separator: 0x20, maxSplits: 3, omittingEmptySubsequences: false)
        guard fields.count == 4 else { return nil }
        time = String(decoding: fields[0], as: UTF8.self)
        switch String(decoding: fields[1], as: UTF8.self) {
        case "stdout": stream = 1
        case "stderr": stream = 2
        default: return nil
        }
        bytes = Array(fields[3]) + (fields[2].first == UInt8(ascii: "F") ? [0x0a] : [])
    }
}
