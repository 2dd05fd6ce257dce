internal import LinuxSystem
internal import SystemPackage
internal import Text

/// Who the threads of one sandbox say they are.
///
/// A thread that has said nothing is who its process is, and a process who its parent is.
struct Identities {
    private let initial: ClaimedIdentity
    private var known: [Int32: ClaimedIdentity] = [:]

    /// - Parameter groups: the supplementary groups of the sandbox's first process.
    init(groups: [UInt32]) { initial = ClaimedIdentity(groups: groups) }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func identity(of thread: Int32) -> ClaimedIdentity {
        if known.isEmpty { return initial }
        if let identity = known[thread] { return identity }
        let identity = inherited(by: thread)
        known[thread] = identity
        return identity
    }

    mutating func set(_ identity: ClaimedIdentity, of thread: Int32) {
        if known.count > 512 { known = known.filter { ThreadFacts($0.key) != nil } }
        known[thread] = identity
    }

    private func inherited(by thread: Int32) -> ClaimedIdentity {
        var current = thread
        // Nothing nests deeper without a loop, which a table that changes meanwhile might show.
        for _ in 0..<256 {
            guard let facts = ThreadFacts(current) else { break }
            let next = facts.process == current ? facts.parent : facts.process
            if let identity = known[next] { return identity }
            if next <= 1 { break }
            current = next
        }
        return initial
    }
}

/// What the kernel says of a thread.
///
/// See proc_pid_status(5).
struct ThreadFacts {
    private(set) var process: Int32 = 0
    private(set) var parent: Int32 = 0
    private(set) var modeMask: UInt32 = 0

    /// Nil where the thread is gone.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init?(_ thread: Int32) {
        guard let bytes = try? contentsIfPresent(of: FilePath("/proc/\(thread)/status"), limit: 1 << 16) else {
            return nil
        }
        for line in bytes.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == ":" || $0 == "\t" || $0 == " " })
            guard words.count > 1 else { continue }
            let value = String(decoding: words[1], as: UTF8.self)
            switch String(decoding: words[0], as: UTF8.self) {
            case "Umask": modeMask = UInt32(value, radix: 8) ?? 0
            case "Tgid": process = Int32(value) ?? 0
            case "PPid": parent = Int32(value) ?? 0
            default: continue
            }
        }
    }
}
