import CISAL
import LinuxSystem
import SystemPackage

/// Decompresses gzip (RFC 1952): one or more members, checksums verified, nothing but members allowed.
package final class GzipSource: ByteSource {
    private let input: InputBuffer
    private let state: OpaquePointer
    private var isBetweenMembers = false
    private var isAtStart = true

    package init(_ source: any ByteSource) throws {
        guard let state = slipway_gunzip_create() else { throw SystemCallError("calloc", errno: .noMemory) }
        self.state = state
        input = InputBuffer(source)
    }

    deinit { slipway_gunzip_destroy(state) }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        guard let output = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return 0 }
        let capacity = UInt32(clamping: buffer.count)
        while true {
            let available = try input.available()
            if available.isEmpty, isBetweenMembers || isAtStart { return 0 }
            if isBetweenMembers {
                guard available[0] == 0x1f else {
                    throw ArchiveError.damagedCompression(.gzip, reason: "there is something else after the end")
                }
                slipway_gunzip_reset(state)
                isBetweenMembers = false
            }
            isAtStart = false
            var consumed: UInt32 = 0
            var produced: UInt32 = 0
            var finished: CInt = 0
            let code = slipway_gunzip_step(
                state,
                available.baseAddress?.assumingMemoryBound(to: UInt8.self),
                UInt32(available.count),
                &consumed,
                output,
                capacity,
                &produced,
                &finished
            )
            guard code == 0 else { throw ArchiveError.damagedCompression(.gzip, reason: Self.reason(code)) }
            input.consume(Int(consumed))
            if finished != 0 { isBetweenMembers = true }
            if produced > 0 { return Int(produced) }
            if available.isEmpty, finished == 0 { throw ArchiveError.truncated(entry: nil) }
        }
    }

    private static func reason(_ code: CInt) -> String {
        switch code {
        case -1: "invalid block"
        case -2: "invalid symbol"
        case -3: "invalid distance"
        case -4: "invalid header"
        case -5: "unsupported method"
        case -6: "the checksum does not match"
        default: "error \(code)"
        }
    }
}
