package import LinuxSystem
import Text

/// The prefix of a whiteout's name, and the name that makes a directory opaque.
///
/// See the OCI image specification, layer.md.
package enum Whiteout {
    package static let prefix: [UInt8] = ".wh."
    static let metadataPrefix: [UInt8] = ".wh..wh."
    package static let opaque: [UInt8] = ".wh..wh..opq"

    /// Whether a layer means by the path that a file was removed, or that a directory hides what is below it.
    package static func isMark(_ path: [UInt8]) -> Bool {
        let base = path.lastIndex(of: "/").map { $0 + 1 } ?? 0
        return path[base...].starts(with: prefix)
    }
}

/// Whether an attribute is content: `security.capability` and `user.*`.
///
/// Everything else is left out of archives and not taken from them: overlayfs's own attributes in a layer would re-map the
/// layers below it (`trusted.overlay.redirect`), labels belong to the machine, and the archive
/// has kept owners itself.
package func isPortableAttribute(_ name: [UInt8]) -> Bool {
    if name == "security.capability" { return true }
    return name.starts(with: "user.") && !name.starts(with: "user.overlay.") && !name.starts(with: KeptStatus.prefix)
}

/// The attributes of a file that are content, in the order of their names.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func portableAttributes(of file: OpenFile) throws(SystemCallError) -> [(name: [UInt8], value: [UInt8])] {
    try file.extendedAttributes().filter { isPortableAttribute($0.name) }
}

/// Whether an attribute goes along where files are copied as files, by COPY and to outputs that are no image: what is content, and
/// POSIX access control lists.
///
/// Layers do not have the lists, as BuildKit's do not: the numbers in them belong to the machine.
package func isCopiedAttribute(_ name: [UInt8]) -> Bool {
    isPortableAttribute(name) || name == accessListAttribute || name == "system.posix_acl_default"
}

/// The attribute that holds a file's access control list.
///
/// See acl(5).
package let accessListAttribute: [UInt8] = "system.posix_acl_access"

/// The attributes of a file that are copied with it, in the order of their names.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func copiedAttributes(of file: OpenFile) throws(SystemCallError) -> [(name: [UInt8], value: [UInt8])] {
    try file.extendedAttributes().filter { isCopiedAttribute($0.name) }
}
