internal import CLinux
internal import Glibc
internal import SystemPackage

/// A connection to the kernel's network stack, in the network namespace of the thread that opened it.
///
/// See netlink(7). The kernel answers before send(2) returns, so nothing here waits.
struct NetlinkSocket: Sendable {
    private let file: OpenFile
    /// What failures are told under.
    private let name: String

    /// - Parameters:
    ///   - family: `NETLINK_ROUTE` or `NETLINK_NETFILTER`.
    ///   - name: what it is called in errors.
    /// - Throws: `SystemCallError` where the kernel does not have it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(_ family: Int32, name: String) throws(SystemCallError) {
        let descriptor = try retryingSystemCall("socket \(name)") {
            socket(AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), family)
        }
        file = OpenFile(owning: descriptor, path: FilePath(name))
        self.name = name
    }

    /// Sends messages at once and takes the answers to those that are acknowledged.
    /// - Throws: the first error that the kernel answers with.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    @discardableResult
    func send(_ messages: [NetlinkMessage]) throws(SystemCallError) -> [NetlinkReply] {
        var bytes: [UInt8] = []
        for (index, message) in messages.enumerated() { bytes += message.numbered(UInt32(index)) }
        _ = try retryingSystemCall("send \(name)") { Glibc.send(file.descriptor, bytes, bytes.count, 0) }
        var missing = messages.count(where: \.isAcknowledged)
        var failure: SystemCallError?
        var replies: [NetlinkReply] = []
        while missing > 0 {
            for reply in try receive() {
                guard reply.type == NLMSG_ERROR else {
                    replies.append(reply)
                    continue
                }
                missing -= 1
                let code = -(reply.first(Int32.self) ?? 0)
                // What comes after an error of a whole batch is not answered.
                if code != 0, failure == nil { failure = SystemCallError(name, errno: Errno(rawValue: code)) }
            }
            if let failure { throw failure }
        }
        return replies
    }

    /// Asks for everything of a kind.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func dump(_ message: NetlinkMessage) throws(SystemCallError) -> [NetlinkReply] {
        let bytes = message.numbered(0)
        _ = try retryingSystemCall("send \(name)") { Glibc.send(file.descriptor, bytes, bytes.count, 0) }
        var replies: [NetlinkReply] = []
        while true {
            for reply in try receive() {
                switch reply.type {
                case Int(NLMSG_DONE): return replies
                case Int(NLMSG_ERROR):
                    throw SystemCallError(name, errno: Errno(rawValue: -(reply.first(Int32.self) ?? 0)))
                default: replies.append(reply)
                }
            }
        }
    }

    private func receive() throws(SystemCallError) -> [NetlinkReply] {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = try retryingSystemCall("recv \(name)") {
            recv(file.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        }
        var rest = buffer.prefix(count)
        var replies: [NetlinkReply] = []
        let size = MemoryLayout<nlmsghdr>.size
        while rest.count >= size {
            let header = rest.withUnsafeBytes { $0.loadUnaligned(as: nlmsghdr.self) }
            let length = Int(header.nlmsg_len)
            guard length >= size, length <= rest.count else { break }
            replies.append(
                NetlinkReply(type: Int(header.nlmsg_type), payload: Array(rest.dropFirst(size).prefix(length - size)))
            )
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return replies
    }
}
