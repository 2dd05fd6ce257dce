internal import LinuxSystem
package import OCI
internal import Synchronization
internal import SystemPackage
internal import Text

/// A living process that uses a store: the owner of scratch directories and of leases.
///
/// Its file `run/<name>` stays locked (flock) as long as the process lives, and the kernel unlocks it however the process
/// ends. So whoever can lock the file knows that its owner is dead, whatever pid namespace or boot it belonged to. The
/// name (pid, start time, boot) is unique and tells a person who it was. The file's content is what the owner holds: see
/// `Lease`.
final class StoreOwner: Sendable {
    let name: String
    let layout: StoreLayout
    private let file: OpenFile
    /// The same file, opened for appending.
    private let log: OpenFile
    private let state = Mutex(State())

    private struct State {
        var counter = 0
        var activeLeases = 0
        var isGone = false
    }

    private init(name: String, layout: StoreLayout, file: OpenFile, log: OpenFile) {
        self.name = name
        self.layout = layout
        self.file = file
        self.log = log
    }

    deinit { removeTraces() }

    /// Registers this process with the store.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func register(in layout: StoreLayout) throws -> StoreOwner {
        let identity = try ProcessIdentity.current()
        while true {
            let salt = String(UInt32.random(in: .min ... .max), radix: 36)
            let name = "\(identity.pid).\(identity.startTime).\(identity.boot).\(salt)"
            if let file = try OpenFile.openLocked(layout.run.appending(name)) {
                let log = try OpenFile.open(layout.run.appending(name), [.writeOnly, .append])
                return StoreOwner(name: name, layout: layout, file: file, log: log)
            }
        }
    }

    /// Whether an entry of `run/`, `tmp/` or `mounts/` has the name of an owner; what has another name is not ours to clear.
    static func isName(_ entry: [UInt8]) -> Bool {
        let parts = entry.split(separator: ".", omittingEmptySubsequences: false)
        let isDigit: (UInt8) -> Bool = { (0x30...0x39).contains($0) }
        return parts.count == 4 && parts.allSatisfy { !$0.isEmpty } && parts[0].allSatisfy(isDigit)
            && parts[1].allSatisfy(isDigit) && parts[2].count == 8
    }

    /// A number that this owner has not given out before.
    func nextNumber() -> Int {
        state.withLock { state in
            state.counter += 1
            return state.counter
        }
    }

    /// An own directory below `parent`, created when first asked for.
    /// - Parameters:
    ///   - parent: one of the store's.
    ///   - holdsTrees: whether what is made in it may have many files.
    /// - Returns: its path.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func directory(in parent: FilePath, holdsTrees: Bool = false) throws -> FilePath {
        let path = parent.appending(name)
        guard try HostFiles.createDirectory(path, mode: 0o700), holdsTrees else { return path }
        for directory in [parent, path] {
            try OpenFile.open(directory, [.readOnly, .directory]).keepEntriesApart()
        }
        return path
    }

    // MARK: What the owner holds

    /// Starts a lease and returns its number.
    func beginLease() -> Int {
        state.withLock { state in
            state.counter += 1
            state.activeLeases += 1
            return state.counter
        }
    }

    /// Writes down that a lease holds something.
    ///
    /// The caller keeps garbage collection out meanwhile.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func note(_ resources: [StoreResource], lease: Int) throws {
        let text = resources.reduce(into: "") { $0 += "+\(lease) \($1)\n" }
        try state.withLock { _ in try log.write(Array(text.utf8)) }
    }

    /// Writes down that a lease is over, and forgets everything once none is left.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func endLease(_ lease: Int) throws {
        try state.withLock { state in
            state.activeLeases -= 1
            if state.activeLeases == 0 { try log.truncate(to: 0) } else { try log.write("-\(lease)\n") }
        }
    }

    // MARK: The end

    /// Removes scratch directories and the owner's file.
    func removeTraces() {
        let isFirst = state.withLock { state in
            defer { state.isGone = true }
            return !state.isGone
        }
        // What cannot be removed now is found by the next opening of the store.
        if isFirst { try? Self.removeTraces(of: name, in: layout) }
    }

    static func removeTraces(of name: String, in layout: StoreLayout) throws(SystemCallError) {
        try removeTree(layout.tmp.appending(name))
        // Mount points are only ever removed empty: something may still be mounted there.
        let mounts = layout.mounts.appending(name)
        if try HostFiles.status(of: mounts) != nil {
            for entry in try HostFiles.entries(of: mounts) {
                try HostFiles.removeDirectoryIfEmpty(FilePath(bytes: mounts.bytes + "/" + entry))
            }
            try HostFiles.removeDirectoryIfEmpty(mounts)
        }
        try HostFiles.remove(layout.run.appending(name))
    }
}

/// Something in the store that a living process needs.
package enum StoreResource: Hashable, Sendable, CustomStringConvertible {
    case blob(Digest)
    case layer(LayerID)

    package var description: String {
        switch self {
        case .blob(let digest): "blob \(digest)"
        case .layer(let id): "layer \(id)"
        }
    }

    /// Reads what `description` writes; nil for anything else, as the torn last line of a process that was killed.
    init?(parsing text: some StringProtocol) {
        let parts = text.split(separator: " ")
        guard parts.count == 2 else { return nil }
        switch parts[0] {
        case "blob":
            guard let digest = try? Digest(parsing: parts[1]) else { return nil }
            self = .blob(digest)
        case "layer":
            guard let id = Int64(parts[1]) else { return nil }
            self = .layer(LayerID(rawValue: id))
        default: return nil
        }
    }
}
