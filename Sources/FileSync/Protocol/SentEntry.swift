internal import Archive
internal import BuildKitProto
internal import FoundationEssentials
internal import LinuxSystem
internal import Text

/// The bits of Go's `fs.FileMode`, which file syncs send, beside the nine of permissions.
package enum GoFileMode {
    package static let directory: UInt32 = 1 << 31
    package static let symbolicLink: UInt32 = 1 << 27
    package static let device: UInt32 = 1 << 26
    package static let namedPipe: UInt32 = 1 << 25
    package static let socket: UInt32 = 1 << 24
    static let setUserID: UInt32 = 1 << 23
    static let setGroupID: UInt32 = 1 << 22
    package static let characterDevice: UInt32 = 1 << 21
    static let sticky: UInt32 = 1 << 20
    static let irregular: UInt32 = 1 << 19
    /// What has none of these is a file, whose content can be asked for.
    static let type = directory | symbolicLink | device | namedPipe | socket | characterDevice | irregular

    /// The permission bits as chmod(2) takes them.
    static func permissions(_ mode: UInt32) -> UInt16 {
        UInt16(mode & 0o777) | (mode & setUserID != 0 ? 0o4000 : 0) | (mode & setGroupID != 0 ? 0o2000 : 0)
            | (mode & sticky != 0 ? 0o1000 : 0)
    }

    /// The bits for permissions as chmod(2) takes them.
    package static func bits(permissions: UInt16) -> UInt32 {
        UInt32(permissions & 0o777) | (permissions & 0o4000 != 0 ? setUserID : 0)
            | (permissions & 0o2000 != 0 ? setGroupID : 0) | (permissions & 0o1000 != 0 ? sticky : 0)
    }
}

/// An entry of a tree as it was sent, with nothing left in it that a file system could not have.
struct SentEntry: Sendable {
    enum Kind: Hashable, Sendable {
        case directory
        case file(size: Int64)
        case hardLink(to: [UInt8])
        case symbolicLink(target: [UInt8])
        case fifo
        case device(FileType, major: UInt32, minor: UInt32)
    }

    /// Relative, without `.`, `..` and empty components.
    let path: [UInt8]
    let kind: Kind
    let metadata: EntryMetadata

    /// Checks all that can be told from the entry alone.
    init(_ stat: Fsutil_Types_Stat, owners: FileOwners, limits: SyncLimits) throws(FileSyncError) {
        path = [UInt8](stat.path)
        try Self.check(path, limits)
        let owner = owners.owner(user: stat.uid, group: stat.gid)
        guard owner.user != .max, owner.group != .max else { throw .badOwner(path) }
        kind = try Self.kind(stat, path)
        metadata = EntryMetadata(
            mode: GoFileMode.permissions(stat.mode),
            user: owner.user,
            group: owner.group,
            modified: FileTime(nanosecondsSince1970: stat.modTime),
            attributes: stat.xattrs.map { ([UInt8]($0.key.utf8), [UInt8]($0.value)) }
                .filter { isCopiedAttribute($0.0) && !$0.0.contains(0) }
                .sorted { $0.0.lexicographicallyPrecedes($1.0) }
        )
    }

    private static func check(_ path: [UInt8], _ limits: SyncLimits) throws(FileSyncError) {
        if path.isEmpty { throw .badPath(path, .empty) }
        if path.count > limits.pathLength { throw .badPath(path, .tooLong) }
        if path.first == "/" { throw .badPath(path, .absolute) }
        if path.contains(0) { throw .badPath(path, .zeroByte) }
        for component in path.split(separator: [UInt8].slash, omittingEmptySubsequences: false) {
            if component.isEmpty || component == "." || component == ".." { throw .badPath(path, .unclean) }
            if component.count > 255 { throw .badPath(path, .longName) }
        }
    }

    private static func kind(_ stat: Fsutil_Types_Stat, _ path: [UInt8]) throws(FileSyncError) -> Kind {
        switch stat.mode & GoFileMode.type {
        case GoFileMode.directory: return .directory
        case GoFileMode.namedPipe: return .fifo
        case GoFileMode.device: return try device(.blockDevice, stat, path)
        case GoFileMode.device | GoFileMode.characterDevice: return try device(.characterDevice, stat, path)
        case GoFileMode.symbolicLink:
            let target = [UInt8](stat.linkname)
            guard (1..<4_096).contains(target.count), !target.contains(0) else { throw .badLink(path) }
            return .symbolicLink(target: target)
        case 0:
            guard stat.linkname.isEmpty else { return .hardLink(to: [UInt8](stat.linkname)) }
            guard stat.size >= 0 else { throw .badSize(path, stat.size) }
            return .file(size: stat.size)
        default: throw .badType(path, mode: stat.mode)
        }
    }

    private static func device(
        _ type: FileType,
        _ stat: Fsutil_Types_Stat,
        _ path: [UInt8]
    ) throws(FileSyncError) -> Kind {
        // What Linux's device numbers have room for.
        guard let major = UInt32(exactly: stat.devmajor), let minor = UInt32(exactly: stat.devminor),
            major < 1 << 12, minor < 1 << 20
        else { throw .badDevice(path) }
        return .device(type, major: major, minor: minor)
    }
}

/// What an entry has beside its content.
struct EntryMetadata: Sendable {
    /// As chmod(2) takes it.
    let mode: UInt16
    let user: UInt32
    let group: UInt32
    let modified: FileTime
    /// Those that are copied with files, by their names.
    let attributes: [(name: [UInt8], value: [UInt8])]
}

extension FileTime {
    /// A time as Go's `UnixNano` gives it.
    init(nanosecondsSince1970 time: Int64) {
        let (seconds, rest) = time.quotientAndRemainder(dividingBy: 1_000_000_000)
        self =
            rest < 0
            ? FileTime(seconds: seconds - 1, nanoseconds: Int32(rest + 1_000_000_000))
            : FileTime(seconds: seconds, nanoseconds: Int32(rest))
    }

    /// As Go's `UnixNano` gives it: years before 1678 and after 2262 wrap.
    var nanosecondsSince1970: Int64 { seconds &* 1_000_000_000 &+ Int64(nanoseconds) }
}
