internal import LinuxSystem
internal import SystemPackage
internal import Text

/// What the numbers of users and groups in a store's files mean: those of the user namespace that they were written in.
///
/// A store belongs to one numbering. In another, files would have other owners or none, and could not be removed.
///
///     identities     "users", then the lines of uid_map; "groups", then those of gid_map; "modes" at the end if modes are kept beside
///                    files (`KeptStatus`); missing for the machine's own numbers
struct StoreIdentities {
    private let file: FilePath
    private let root: FilePath

    init(layout: StoreLayout) {
        file = layout.identities
        root = layout.root
    }

    /// Makes sure that files mean the same as ever, and notes it for those who come later.
    ///
    /// Numbers that were added since do no harm, but to one alone.
    /// - Parameter own: of this process.
    /// - Throws: `StorageError.otherIdentities`, `.otherKeeping`, `.noAttributes`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func check(_ own: FileIdentities) throws {
        let known = try contentsIfPresent(of: file, limit: 1 << 20).flatMap { Self.parse($0) }
        if known == own { return }
        if let known {
            // Owners that are kept beside files mean nothing to a process that can give files away.
            guard known.keepsLike(own) else { throw StorageError.otherKeeping(root: root, made: known) }
            guard own.maps.includes(known.maps) else {
                throw StorageError.otherIdentities(root: root, made: known.maps)
            }
        } else if own.maps.isMachine {
            return
        }
        if own.maps.isSingle { try checkAttributes() }
        try HostFiles.write(Array(Self.text(of: own).utf8), to: file)
    }

    /// With one id, owners are kept in attributes of the files.
    private func checkAttributes() throws {
        let directory = try OpenFile.open(root, [.readOnly, .directory])
        do throws(SystemCallError) {
            try directory.setExtendedAttribute(Self.probe, [])
            try directory.removeExtendedAttribute(Self.probe)
        } catch {
            guard error.errno == .notSupported else { throw error }
            throw StorageError.noAttributes(root: root)
        }
    }

    private static let probe: [UInt8] = "user.slipway.probe"

    private static func text(of identities: FileIdentities) -> String {
        let maps = identities.maps
        return "users\n\(maps.users.text)groups\n\(maps.groups.text)\(identities.keepsModes ? "modes\n" : "")"
    }

    private static func parse(_ content: [UInt8]) -> FileIdentities? {
        var lines = content.split(separator: "\n").map { Array($0) }
        let keepsModes = lines.last == "modes"
        if keepsModes { lines.removeLast() }
        guard lines.first == "users", let middle = lines.firstIndex(of: "groups") else { return nil }
        func map(_ lines: ArraySlice<[UInt8]>) -> IdentityMap? {
            IdentityMap(parsing: Array(lines.joined(separator: [0x0a])))
        }
        guard let users = map(lines[1..<middle]), let groups = map(lines[(middle + 1)...]) else { return nil }
        return FileIdentities(maps: IdentityMaps(users: users, groups: groups), keepsModes: keepsModes)
    }
}
