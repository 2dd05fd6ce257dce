internal import CLinux
internal import Glibc

/// One message of netlink(7): a header, what its type says comes first, and attributes.
struct NetlinkMessage {
    /// Everything, in the form the kernel reads; length and sequence number are written when it is sent.
    private(set) var bytes: [UInt8]

    /// - Parameters:
    ///   - type: what is asked for.
    ///   - flags: `NLM_F_…`, besides `NLM_F_REQUEST`.
    ///   - first: the structure that a message of this type begins with.
    init(_ type: Int, flags: Int32, first: some BitwiseCopyable) {
        var header = nlmsghdr()
        header.nlmsg_type = UInt16(type)
        header.nlmsg_flags = UInt16(NLM_F_REQUEST | flags)
        bytes = withUnsafeBytes(of: header) { Array($0) } + withUnsafeBytes(of: first) { Array($0) }
        pad()
    }

    /// Whether the kernel answers it with an error or with success.
    var isAcknowledged: Bool {
        bytes.withUnsafeBytes { $0.loadUnaligned(as: nlmsghdr.self).nlmsg_flags & UInt16(NLM_F_ACK) != 0 }
    }

    /// The message as it is sent.
    func numbered(_ number: UInt32) -> [UInt8] {
        var result = bytes
        result.withUnsafeMutableBytes { buffer in
            var header = buffer.loadUnaligned(as: nlmsghdr.self)
            header.nlmsg_len = UInt32(buffer.count)
            header.nlmsg_seq = number
            buffer.storeBytes(of: header, as: nlmsghdr.self)
        }
        return result
    }

    mutating func add(_ type: some FixedWidthInteger, _ value: [UInt8]) {
        append(UInt16(truncatingIfNeeded: value.count + 4))
        append(UInt16(truncatingIfNeeded: type))
        bytes += value
        pad()
    }

    /// A text with the zero that ends it.
    mutating func add(_ type: some FixedWidthInteger, _ text: String) { add(type, Array(text.utf8) + [0]) }

    /// A number in the order of this machine, as rtnetlink(7) has them.
    mutating func add(_ type: some FixedWidthInteger, native value: UInt32) {
        add(type, withUnsafeBytes(of: value) { Array($0) })
    }

    /// A number with its highest byte first, as nf_tables has them.
    mutating func add(_ type: some FixedWidthInteger, network value: UInt32) { add(type, native: value.bigEndian) }

    /// An attribute that consists of attributes, and perhaps of a structure before them.
    mutating func add(
        _ type: some FixedWidthInteger,
        first: [UInt8] = [],
        nested: (inout NetlinkMessage) -> Void
    ) {
        let start = bytes.count
        append(UInt16(0))
        append(UInt16(truncatingIfNeeded: type) | UInt16(NLA_F_NESTED))
        bytes += first
        pad()
        nested(&self)
        let length = UInt16(truncatingIfNeeded: bytes.count - start)
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: length, toByteOffset: start, as: UInt16.self) }
    }

    private mutating func append(_ value: UInt16) { withUnsafeBytes(of: value) { bytes += $0 } }

    /// Everything begins at a multiple of four bytes.
    private mutating func pad() { while bytes.count % 4 != 0 { bytes.append(0) } }
}

/// A message that the kernel sent.
struct NetlinkReply {
    let type: Int
    /// What follows the header.
    let payload: [UInt8]

    /// The structure that the message begins with; nil for a message that is too short.
    func first<Value: BitwiseCopyable>(_ type: Value.Type) -> Value? {
        guard payload.count >= MemoryLayout<Value>.size else { return nil }
        return payload.withUnsafeBytes { $0.loadUnaligned(as: type) }
    }

    /// The attributes after that structure, by their type.
    func attributes(after first: Int) -> [Int: [UInt8]] { Self.attributes(in: payload.dropFirst((first + 3) & ~3)) }

    /// The attributes that an attribute consists of, by their type.
    static func attributes(in bytes: some Collection<UInt8>) -> [Int: [UInt8]] {
        var result: [Int: [UInt8]] = [:]
        var rest = Array(bytes)[...]
        while rest.count >= 4 {
            let (length, type) = rest.withUnsafeBytes {
                (Int($0.loadUnaligned(as: UInt16.self)), Int($0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            }
            guard length >= 4, length <= rest.count else { break }
            result[type & typeMask] = Array(rest.dropFirst(4).prefix(length - 4))
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return result
    }

    /// `NLA_TYPE_MASK`, whose definition is an expression: the bits that are no flags.
    private static let typeMask = 0x3fff
}
