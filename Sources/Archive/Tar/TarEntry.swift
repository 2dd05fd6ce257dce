package import LinuxSystem

/// One member of a tar archive: everything but its content.
package struct TarEntry: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case regular
        case directory
        /// The target, exactly as it is stored.
        case symbolicLink(target: [UInt8])
        /// The name of an earlier member, as it is stored.
        case hardLink(target: [UInt8])
        case characterDevice(major: UInt32, minor: UInt32)
        case blockDevice(major: UInt32, minor: UInt32)
        case fifo
    }

    /// One extended attribute.
    package struct Attribute: Sendable, Hashable {
        package var name: [UInt8]
        package var value: [UInt8]

        package init(name: [UInt8], value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    /// A piece of a sparse file that the archive holds; everything else is zeros.
    package struct Piece: Sendable, Hashable {
        package var offset: Int64
        package var count: Int64
    }

    /// The name as it is stored, never empty; may be absolute, hold `..` or end in a slash.
    package var path: [UInt8]
    package var kind: Kind
    /// Permission bits with setuid, setgid and sticky: 0 to 0o7777.
    package var mode: UInt16
    package var userID: UInt32
    package var groupID: UInt32
    /// The length of the file once it is extracted; 0 for anything but a regular file.
    package var size: Int64
    package var modified: FileTime
    /// Sorted by name, each name once.
    package var attributes: [Attribute]
    /// What a sparse file's stored bytes are pieces of, in order; nil for an ordinary one.
    package var pieces: [Piece]?

    package init(
        path: [UInt8],
        kind: Kind,
        mode: UInt16 = 0o644,
        userID: UInt32 = 0,
        groupID: UInt32 = 0,
        size: Int64 = 0,
        modified: FileTime = .epoch,
        attributes: [Attribute] = []
    ) {
        self.path = path
        self.kind = kind
        self.mode = mode
        self.userID = userID
        self.groupID = groupID
        self.size = size
        self.modified = modified
        self.attributes = attributes
    }
}
