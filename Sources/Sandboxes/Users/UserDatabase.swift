package import LinuxSystem
internal import SystemPackage
internal import Text

/// The users and groups of a root file system: its own `/etc/passwd` and `/etc/group`, not the host's.
package struct UserDatabase: Sendable {
    private struct User: Sendable {
        var name: ArraySlice<UInt8>
        var userID: UInt32
        var groupID: UInt32
        var home: ArraySlice<UInt8>
    }

    private struct Group: Sendable {
        var name: ArraySlice<UInt8>
        var groupID: UInt32
        var members: [ArraySlice<UInt8>]
    }

    private var users: [User]
    private var groups: [Group]

    /// Files larger than this are refused: they come from an image.
    private static let maximumSize = 10 << 20

    /// Reads both files; a missing one is empty.
    /// - Throws: `SandboxError.userDatabaseUnreadable` for anything but a regular file of up to 10 MiB.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(root: RootedDirectory) throws(SandboxError) {
        self.init(
            passwd: try Self.content(of: "/etc/passwd", in: root),
            group: try Self.content(of: "/etc/group", in: root)
        )
    }

    /// Parses the content of both files; lines that are not well formed are skipped, as libc skips them.
    package init(passwd: [UInt8], group: [UInt8]) {
        users = Self.records(passwd).compactMap { fields in
            guard fields.count >= 4, let userID = Self.number(fields[2]), let groupID = Self.number(fields[3]) else {
                return nil
            }
            return User(name: fields[0], userID: userID, groupID: groupID, home: fields.count > 5 ? fields[5] : [])
        }
        groups = Self.records(group).compactMap { fields in
            guard fields.count >= 3, let groupID = Self.number(fields[2]) else { return nil }
            let members = fields.count > 3 ? fields[3].split(separator: ",") : []
            return Group(name: fields[0], groupID: groupID, members: members)
        }
    }

    /// Finds who `specification` means: `user`, `uid`, `user:group`, `uid:gid` or any mixture; empty is root.
    ///
    /// A number is never a name, also where a line has it as its name; one that no line has is taken as it is. A user found by line
    /// belongs to the groups that list it, unless a group is given.
    /// - Throws: `SandboxError.userNotFound`, `.groupNotFound`, `.userOutOfRange`.
    package func user(_ specification: [UInt8]) throws(SandboxError) -> ProcessUser {
        let parts = specification.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let userPart = parts.first ?? []
        let groupPart = parts.count > 1 ? parts[1] : []
        let userNumber = userPart.isEmpty ? 0 : try Self.identifier(userPart)

        var result = ProcessUser(userID: 0, groupID: 0)
        let match = users.first { user in userNumber.map { user.userID == $0 } ?? (user.name == userPart) }
        if let match {
            result.userID = match.userID
            result.groupID = match.groupID
            if !match.home.isEmpty { result.home = Array(match.home) }
        } else if !userPart.isEmpty {
            guard let userNumber else { throw .userNotFound(Array(userPart)) }
            result.userID = userNumber
        }

        if !groupPart.isEmpty {
            if let number = try Self.identifier(groupPart) {
                result.groupID = number
            } else {
                result.groupID = try group(Array(groupPart))
            }
        } else if let match {
            result.additionalGroups = groups.filter { $0.members.contains(match.name) }.map(\.groupID)
        }
        return result
    }

    /// The number of a group by name or number; for `--group-add` and `--chown`.
    package func group(_ specification: [UInt8]) throws(SandboxError) -> UInt32 {
        let number = try Self.identifier(specification[...])
        if let group = groups.first(where: { $0.name == specification[...] || $0.groupID == number }) {
            return group.groupID
        }
        guard let number else { throw .groupNotFound(specification) }
        return number
    }

    /// A decimal number, nil for a name.
    private static func identifier(_ text: ArraySlice<UInt8>) throws(SandboxError) -> UInt32? {
        let digits = text.first == "-" ? text.dropFirst() : text
        guard !digits.isEmpty, digits.allSatisfy({ ("0"..."9").contains($0) }) else {
            return nil
        }
        guard let number = number(text), number <= Int32.max else { throw .userOutOfRange(Array(text)) }
        return number
    }

    /// A number that can be somebody's: 2^32-1 tells the kernel to leave a process as it is, which is root.
    private static func number(_ text: ArraySlice<UInt8>) -> UInt32? {
        UInt32(String(decoding: text, as: UTF8.self)).flatMap { $0 == .max ? nil : $0 }
    }

    private static func records(_ content: [UInt8]) -> [[ArraySlice<UInt8>]] {
        content.split(separator: "\n").map {
            $0.split(separator: ":", omittingEmptySubsequences: false)
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func content(of path: FilePath, in root: RootedDirectory) throws(SandboxError) -> [UInt8] {
        do throws(SystemCallError) {
            // Non-blocking, so that a FIFO of that name does not wait for a writer.
            let file = try root.open(path, [.readOnly, .nonBlocking])
            let status = try file.status()
            guard status.type == .regular else { throw SystemCallError("open", path: path, errno: .invalidArgument) }
            return try file.readToEnd(limit: maximumSize)
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return [] }
            let reason =
                error.errno == .invalidArgument ? "it is not a regular file" : SystemCallError.text(of: error.errno)
            throw .userDatabaseUnreadable(path: path, reason: reason)
        }
    }
}
