internal import LinuxSystem

/// Which extended attributes belong to a file's content: those of users, and file capabilities.
///
/// Overlay's own attributes would change what a layer means (`user.overlay.*`, `trusted.*`), and the others belong to the host.
enum ExtendedAttributePolicy {
    static func keeps(_ name: [UInt8]) -> Bool {
        if name.elementsEqual("security.capability".utf8) { return true }
        return name.starts(with: "user.".utf8) && !name.starts(with: "user.overlay.".utf8)
    }

    /// The attributes of a file that are kept, in the order of their names.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func attributes(of file: OpenFile) throws(SystemCallError) -> [(name: [UInt8], value: [UInt8])] {
        try file.extendedAttributes().filter { keeps($0.name) }
    }
}
