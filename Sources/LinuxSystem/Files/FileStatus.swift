internal import CLinux
internal import Glibc

/// What kind of file a path names.
package enum FileType: UInt8, Sendable, Hashable, CaseIterable {
    case regular, directory, symbolicLink, characterDevice, blockDevice, fifo, socket

    /// The bits that mknod(2) takes; what it cannot make becomes an ordinary file.
    var nodeBits: UInt32 {
        switch self {
        case .characterDevice: S_IFCHR
        case .blockDevice: S_IFBLK
        case .fifo: S_IFIFO
        case .socket: S_IFSOCK
        case .regular, .directory, .symbolicLink: S_IFREG
        }
    }
}

/// A point in time with the kernel's resolution.
package struct FileTime: Sendable, Hashable, Comparable {
    package var seconds: Int64
    /// 0 to 999,999,999.
    package var nanoseconds: Int32

    package init(seconds: Int64, nanoseconds: Int32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    package static let epoch = FileTime(seconds: 0)

    /// The time of what a build makes without a source that has one: 2000-01-01 00:00 UTC.
    ///
    /// A fixed time, for the same build makes the same layer on any day; not 1970, which zip archives cannot hold.
    package static let undated = FileTime(seconds: 946_684_800)

    package static func < (left: FileTime, right: FileTime) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
}

/// A file that has no content of its own: a device, FIFO or socket.
///
/// See mknod(2).
package struct SpecialFile: Sendable, Hashable {
    package var type: FileType
    /// Of devices.
    package var major: UInt32
    package var minor: UInt32

    package init(_ type: FileType, major: UInt32 = 0, minor: UInt32 = 0) {
        self.type = type
        self.major = major
        self.minor = minor
    }

    /// A device by its number, as mknod(2) takes it.
    package init(_ type: FileType, number: UInt64) {
        self.init(type, major: slipway_major(number), minor: slipway_minor(number))
    }
}

/// The metadata of one file.
///
/// See stat(2).
package struct FileStatus: Sendable, Hashable {
    package var type: FileType
    /// Permission bits with setuid, setgid and sticky: 0 to 0o7777.
    package var mode: UInt16
    package var userID: UInt32
    package var groupID: UInt32
    package var size: Int64
    package var modified: FileTime
    package var changed: FileTime
    package var device: UInt64
    package var inode: UInt64
    package var linkCount: UInt64
    /// For device nodes.
    package var deviceMajor: UInt32
    package var deviceMinor: UInt32
    /// 512-byte blocks in use.
    package var blocks: Int64

    init(_ raw: stat) {
        type =
            switch raw.st_mode & S_IFMT {
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            case S_IFCHR: .characterDevice
            case S_IFBLK: .blockDevice
            case S_IFIFO: .fifo
            case S_IFSOCK: .socket
            default: .regular
            }
        mode = UInt16(raw.st_mode & 0o7777)
        (userID, groupID) = KeptStatus.owner(ofKernel: raw.st_uid, raw.st_gid)
        size = Int64(raw.st_size)
        modified = FileTime(seconds: Int64(raw.st_mtim.tv_sec), nanoseconds: Int32(raw.st_mtim.tv_nsec))
        changed = FileTime(seconds: Int64(raw.st_ctim.tv_sec), nanoseconds: Int32(raw.st_ctim.tv_nsec))
        device = UInt64(raw.st_dev)
        inode = UInt64(raw.st_ino)
        linkCount = UInt64(raw.st_nlink)
        deviceMajor = slipway_major(UInt64(raw.st_rdev))
        deviceMinor = slipway_minor(UInt64(raw.st_rdev))
        blocks = Int64(raw.st_blocks)
    }

    /// What makes another one like this, where it is a device, FIFO or socket.
    package var specialFile: SpecialFile { SpecialFile(type, major: deviceMajor, minor: deviceMinor) }
}
