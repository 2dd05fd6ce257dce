internal import BuildKitProto
internal import FoundationEssentials

extension Fsutil_Types_Packet {
    static func entry(_ stat: Fsutil_Types_Stat) -> Self {
        var packet = Self()
        packet.stat = stat
        return packet
    }

    /// No entry follows.
    static var endOfEntries: Self { Self() }

    static func request(_ id: UInt32) -> Self {
        var packet = Self()
        packet.type = .packetReq
        packet.id = id
        return packet
    }

    /// A piece of a file; without bytes it is the end.
    static func content(_ id: UInt32, _ bytes: Data = Data()) -> Self {
        var packet = Self()
        packet.type = .packetData
        packet.id = id
        packet.data = bytes
        return packet
    }

    static var finish: Self {
        var packet = Self()
        packet.type = .packetFin
        return packet
    }

    static func failure(_ text: String) -> Self {
        var packet = Self()
        packet.type = .packetErr
        packet.data = Data(text.utf8)
        return packet
    }

    /// The bytes of the packet as it is sent: what progress counts, as BuildKit counts it.
    var wireSize: Int64 {
        var size = type == .packetStat ? 0 : 2
        if hasStat { size += field(stat.wireSize) }
        if id != 0 { size += 1 + varintSize(UInt64(id)) }
        if !data.isEmpty { size += field(data.count) }
        return Int64(size)
    }

    /// About what the packet takes in memory while it waits.
    var weight: Int { 256 + data.count + (hasStat ? stat.wireSize : 0) }
}

extension Fsutil_Types_Stat {
    fileprivate var wireSize: Int {
        var size = 0
        for bytes in [path, linkname] where !bytes.isEmpty { size += field(bytes.count) }
        for number in [UInt64(mode), UInt64(uid), UInt64(gid)] where number != 0 { size += 1 + varintSize(number) }
        for number in [self.size, modTime, devmajor, devminor] where number != 0 {
            size += 1 + varintSize(UInt64(bitPattern: number))
        }
        for (name, value) in xattrs { size += field(field(name.utf8.count) + field(value.count)) }
        return size
    }
}

/// A field of some bytes: its tag, their count, and they.
private func field(_ count: Int) -> Int { 1 + varintSize(UInt64(count)) + count }

private func varintSize(_ number: UInt64) -> Int { max(1, (64 - number.leadingZeroBitCount + 6) / 7) }
