internal import LinuxSystem
internal import SystemPackage
internal import Text

/// What the numbers of users and groups in a store's files mean: those of the user namespace that they were written in.
///
/// A store belongs to one numbering. In another, files would have other owners or none, and could not be removed.
///
///     identities     "users", then the lines of uid_map; "groups", then those of gid_map; missing for the machine's own numbers
struct StoreIdentities {
    private let file: FilePath
    private let root: FilePath

    init(layout: StoreLayout) {
        file = layout.identities
        root = layout.root
    }

    /// Makes sure that files mean the same as ever, and notes it for those who come later.
    ///
    /// Numbers that were added since do no harm.
    /// - Parameter maps: of this process.
    /// - Throws: `StorageError.otherIdentities`, `.noAttributes`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func check(_ maps: IdentityMaps) throws {
        let known = try contentsIfPresent(of: file, limit: 1 << 20).flatMap { Self.parse($0) }
        if known == maps { return }
        if let known {
            guard maps.includes(known) else { throw StorageError.otherIdentities(root: root, made: known) }
        } else if maps.isMachine {
            return
        }
        if maps.isSingle { try checkAttributes() }
        try HostFiles.write(Array(Self.text(of: maps).utf8), to: file)
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

    private static func text(of maps: IdentityMaps) -> String {
        "users\n\(maps.users.text)groups\n\(maps.groups.text)"
    }

    private static func parse(_ content: [UInt8]) -> IdentityMaps? {
        let lines = content.split(separator: "\n").map { Array($0) }
        guard lines.first == "users", let middle = lines.firstIndex(of: "groups") else { return nil }
        func map(_ lines: ArraySlice<[UInt8]>) -> IdentityMap? {
            IdentityMap(parsing: Array(lines.joined(separator: [0x0a])))
        }
        guard let users = map(lines[1..<middle]), let groups = map(lines[(middle + 1)...]) else { return nil }
        return IdentityMaps(users: users, groups: groups)
    }
}
