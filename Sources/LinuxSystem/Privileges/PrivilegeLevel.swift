/// What the system lets this process do of what building and running containers takes, from the most to the least.
///
/// Decided once, when the program starts: see `Privileges`. What is done differently asks the level's properties.
package enum PrivilegeLevel: Sendable, Hashable {
    /// Root of the machine, who may mount file systems.
    case root
    /// Root of a user namespace that has other users as well: an ordinary user with subordinate ids.
    case userNamespace(IdentityMaps)
    /// Root of a user namespace that has no other user.
    case singleID(IdentityMaps)
    /// A process that may neither mount nor make namespaces, as in a container with Docker's default profile.
    case confined(isSuperuser: Bool)

    /// Whether file systems can be mounted and namespaces be made.
    package var mounts: Bool {
        switch self {
        case .root, .userNamespace, .singleID: true
        case .confined: false
        }
    }

    /// Whether this is root of the machine: its devices, its networks and its cgroups are at hand.
    package var ownsMachine: Bool { self == .root }

    /// Where overlayfs can keep its marks.
    package var overlayAttributes: OverlayAttributes { ownsMachine ? .trusted : .user }

    /// Whether files can be given to other users, and processes run as them.
    package var hasOtherUsers: Bool {
        switch self {
        case .root, .userNamespace: true
        case .singleID: false
        case .confined(let isSuperuser): isSuperuser
        }
    }

    /// The ids that files of the store have; nil where they are those of the machine, or of the container around this process.
    package var maps: IdentityMaps? {
        switch self {
        case .userNamespace(let maps), .singleID(let maps): maps
        case .root, .confined: nil
        }
    }

    /// Of root of a user namespace with these ids, which is not the machine's.
    init(root maps: IdentityMaps) { self = maps.isSingle ? .singleID(maps) : .userNamespace(maps) }
}

extension PrivilegeLevel: CustomStringConvertible {
    /// As `info` shows it.
    package var description: String {
        switch self {
        case .root: "root"
        case .userNamespace(let maps): "user namespace with \(maps.count) ids"
        case .singleID: "user namespace with one id"
        case .confined(true): "root of a container that may not mount"
        case .confined(false): "no user namespace"
        }
    }
}
