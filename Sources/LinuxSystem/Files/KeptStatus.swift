internal import Glibc
internal import Synchronization
internal import Text

/// What a file is said to be where the kernel refuses to make it so: whose it is, which device, which mode.
///
/// A user namespace cannot have devices, one with a single id cannot give files away, and without a namespace modes keep also their
/// owner out. There this is kept in the attribute `user.slipway.stat` of the file: `<user>:<group>`, for a device
/// `<user>:<group>:<c or b>:<major>:<minor>` at an empty file that stands for it, and in each form `:<mode>` at the end if the
/// file has another one on disk. Links, FIFOs and sockets can have no such attribute: theirs are in
/// `user.slipway.entries` of the directory, `<user>:<group>:<name>` with a zero byte behind each. See docs/rootless.md.
package struct KeptStatus: Sendable, Hashable {
    package var userID: UInt32
    package var groupID: UInt32
    /// A character or block device; nil for anything else.
    package var device: SpecialFile?
    /// Nil where the file itself has it.
    package var mode: UInt16?

    package init(userID: UInt32, groupID: UInt32, device: SpecialFile? = nil, mode: UInt16? = nil) {
        self.userID = userID
        self.groupID = groupID
        self.device = device
        self.mode = mode
    }

    static let attribute: [UInt8] = "user.slipway.stat"
    static let entriesAttribute: [UInt8] = "user.slipway.entries"

    /// What all names of attributes begin with that are no content of files.
    package static let prefix: [UInt8] = "user.slipway."

    /// What this process keeps so: decided when it takes its privileges.
    ///
    /// Each case keeps what those before it do.
    enum Scope: UInt8, Comparable {
        case nothing
        /// Devices alone: files can be given to other users.
        case devices
        case owners
        /// Modes that keep the owner of a file from it, and capabilities of programs.
        case modes

        static func < (left: Scope, right: Scope) -> Bool { left.rawValue < right.rawValue }
    }

    private static let current = Atomic(Scope.nothing.rawValue)

    static var scope: Scope { Scope(rawValue: current.load(ordering: .relaxed)) ?? .nothing }

    /// Who an owner is that the kernel says.
    ///
    /// Where owners are kept, all files are this process's user's, who is root of them: also without a user namespace, which would
    /// say so itself.
    static func owner(ofKernel user: UInt32, _ group: UInt32) -> (user: UInt32, group: UInt32) {
        guard scope >= .owners else { return (user, group) }
        return (user == geteuid() ? 0 : user, group == getegid() ? 0 : group)
    }

    /// Begins to keep what the kernel refuses; called once, before the process has a second thread.
    static func begin(_ kept: Scope) { current.store(kept.rawValue, ordering: .relaxed) }

    /// Reads the attribute of a file; nil for anything else.
    package init?(parsing bytes: [UInt8]) {
        var fields = bytes.split(separator: ":", omittingEmptySubsequences: false)
        guard (2...6).contains(fields.count), fields.count != 4, let user = decimal(fields[0]),
            let group = decimal(fields[1])
        else { return nil }
        self.init(userID: user, groupID: group)
        if fields.count == 3 || fields.count == 6 {
            guard let mode = octal(fields.removeLast()) else { return nil }
            self.mode = mode
        }
        guard fields.count == 5 else { return }
        let types: [[UInt8]: FileType] = ["c": .characterDevice, "b": .blockDevice]
        guard let type = types[Array(fields[2])], let major = decimal(fields[3]), let minor = decimal(fields[4]) else {
            return nil
        }
        device = SpecialFile(type, major: major, minor: minor)
    }

    /// The attribute's value.
    package var bytes: [UInt8] {
        var text = "\(userID):\(groupID)"
        if let device {
            text += ":\(device.type == .blockDevice ? "b" : "c"):\(device.major):\(device.minor)"
        }
        if let mode { text += ":\(String(mode, radix: 8))" }
        return Array(text.utf8)
    }
}

private func decimal(_ digits: ArraySlice<UInt8>) -> UInt32? {
    digits.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
        ? UInt32(String(decoding: digits, as: UTF8.self)) : nil
}

private func octal(_ digits: ArraySlice<UInt8>) -> UInt16? {
    guard digits.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "7") ~= $0 }),
        let mode = UInt16(String(decoding: digits, as: UTF8.self), radix: 8), mode <= 0o7777
    else { return nil }
    return mode
}

/// The owners of entries of one directory that can have no attributes of their own.
package struct KeptEntries: Sendable, Hashable {
    private var owners: [(name: [UInt8], owner: KeptStatus)] {
        didSet { owners.sort { $0.name.lexicographicallyPrecedes($1.name) } }
    }

    /// Reads the attribute of a directory; what is no entry means nothing.
    package init(parsing bytes: [UInt8]) {
        owners = bytes.split(separator: 0).compactMap { record in
            let fields = record.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, let user = decimal(fields[0]), let group = decimal(fields[1]) else { return nil }
            return (Array(fields[2]), KeptStatus(userID: user, groupID: group))
        }
    }

    package var isEmpty: Bool { owners.isEmpty }
    package var names: [[UInt8]] { owners.map(\.name) }

    /// The attribute's value.
    package var bytes: [UInt8] { owners.flatMap { $0.owner.bytes + ":" + $0.name + [0] } }

    package subscript(name: [UInt8]) -> KeptStatus? {
        get { owners.first { $0.name == name }?.owner }
        set {
            owners = owners.filter { $0.name != name } + (newValue.map { [(name, $0)] } ?? [])
        }
    }

    package static func == (left: KeptEntries, right: KeptEntries) -> Bool { left.bytes == right.bytes }
    package func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}

extension FileStatus {
    /// Whether the kernel lets files of this kind have attributes of user space.
    ///
    /// See xattr(7).
    var canHaveUserAttributes: Bool { type == .regular || type == .directory }

    /// What the mode of this file must have on disk, so that its owner reads it and writes its attributes.
    ///
    /// See `KeptStatus.Scope.modes`.
    var neededMode: UInt16 { type == .directory ? 0o700 : 0o600 }

    /// The same with what is kept of the file.
    func with(_ kept: KeptStatus?) -> FileStatus {
        guard let kept else { return self }
        var status = self
        // Where only devices are kept so, the file that stands for one has the owner itself.
        if KeptStatus.scope >= .owners {
            status.userID = kept.userID
            status.groupID = kept.groupID
        }
        if let mode = kept.mode { status.mode = mode }
        if let device = kept.device {
            status.type = device.type
            status.deviceMajor = device.major
            status.deviceMinor = device.minor
        }
        return status
    }
}
