internal import Glibc
internal import SystemPackage

/// Neighbouring addresses of IPv4: those that begin with the same bits.
package struct AddressBlock: Sendable, Hashable {
    /// The lowest.
    package let base: UInt32
    /// How many bits all have in common.
    package let length: UInt32

    package init(_ base: UInt32, length: UInt32) {
        self.base = base
        self.length = length
    }

    /// All addresses there are.
    package static let everywhere = AddressBlock(0, length: 0)

    /// How many addresses it has.
    package var count: UInt64 { 1 << UInt64(32 - length) }

    package func overlaps(_ other: AddressBlock) -> Bool {
        let common = min(length, other.length)
        let mask = common == 0 ? 0 : UInt32.max << (32 - common)
        return base & mask == other.base & mask
    }

    /// An address as it is written.
    package static func text(_ address: UInt32) -> String {
        [24, 16, 8, 0].map { "\(address >> $0 & 255)" }.joined(separator: ".")
    }
}

/// A route of this host's table.
package struct HostRoute: Sendable, Hashable {
    package let interface: String
    package let destination: AddressBlock

    /// Reads a line of `/proc/net/route`; nil for its heading.
    package init?(line: some StringProtocol) {
        let fields = line.split(whereSeparator: \.isWhitespace)
        guard fields.count > 7, let destination = UInt32(fields[1], radix: 16), let mask = UInt32(fields[7], radix: 16)
        else { return nil }
        interface = String(fields[0])
        // The kernel prints addresses in the order of their bytes, as numbers of this machine.
        self.destination = AddressBlock(
            UInt32(bigEndian: destination),
            length: UInt32(UInt32(bigEndian: mask).nonzeroBitCount)
        )
    }

    /// Whether it leads to everywhere that no other route leads to.
    package var isDefault: Bool { destination == .everywhere }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func all() throws(SystemCallError) -> [HostRoute] {
        // That of the thread: the file of a process is that of its first thread, which may be elsewhere.
        let bytes = try OpenFile.open("/proc/thread-self/net/route", .readOnly).readToEnd(limit: 16 << 20)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { HostRoute(line: $0) }
    }
}
