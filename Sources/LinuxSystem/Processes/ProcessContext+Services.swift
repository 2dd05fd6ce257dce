internal import Glibc
import Text

/// What a process that serves others asks of the system.
extension ProcessContext {
    /// The name of the machine; see gethostname(2).
    package static var hostname: String {
        var name = [CChar](repeating: 0, count: 257)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The number of a group by its name; nil if there is no such group.
    ///
    /// See getgrnam_r(3).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func groupID(named name: String) -> UInt32? {
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        // A group may have many members, whose names need room.
        var buffer = [CChar](repeating: 0, count: 1 << 20)
        guard getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
        return entry.gr_gid
    }

    /// The sockets that systemd bound for this process and handed over; see sd_listen_fds(3).
    package static func activatedSockets() -> [CInt] {
        let variables = environment
        guard let owner = variables["LISTEN_PID"], String(decoding: owner, as: UTF8.self) == "\(processID)",
            let text = variables["LISTEN_FDS"], let count = CInt(String(decoding: text, as: UTF8.self)),
            (1...1_024).contains(count)
        else { return [] }
        return (3..<3 + count).map { descriptor in
            // Programs that this one starts have no business with them.
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            return descriptor
        }
    }
}
