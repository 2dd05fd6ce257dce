internal import Archive
package import BuildKitProto
internal import FoundationEssentials
package import LinuxSystem
package import SystemPackage

extension Fsutil_Types_Stat {
    /// What a file sync says of a file.
    /// - Parameters:
    ///   - root: the tree.
    ///   - path: the file's place in it.
    ///   - status: what lstat(2) says of it.
    ///   - name: what the other end knows it by.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(
        _ root: RootedDirectory,
        _ path: FilePath,
        _ status: FileStatus,
        as name: [UInt8]
    ) throws(SystemCallError) {
        self.init()
        self.path = Data(name)
        mode = GoFileMode.bits(permissions: status.mode) | GoFileMode.bits(of: status.type)
        uid = status.userID
        gid = status.groupID
        size = status.type == .regular ? status.size : 0
        modTime = status.modified.seconds &* 1_000_000_000 &+ Int64(status.modified.nanoseconds)
        devmajor = Int64(status.deviceMajor)
        devminor = Int64(status.deviceMinor)
        if status.type == .symbolicLink {
            let target = try root.readLink(path)
            linkname = Data(target)
            size = Int64(target.count)
        }
        guard status.type == .regular || status.type == .directory else { return }
        for (attribute, value) in try copiedAttributes(of: root.open(path, [.readOnly, .nonBlocking, .noFollow])) {
            xattrs[String(decoding: attribute, as: UTF8.self)] = Data(value)
        }
    }
}

extension GoFileMode {
    /// The bits of a type.
    static func bits(of type: LinuxSystem.FileType) -> UInt32 {
        switch type {
        case .regular: 0
        case .directory: directory
        case .symbolicLink: symbolicLink
        case .fifo: namedPipe
        case .socket: socket
        case .blockDevice: device
        case .characterDevice: device | characterDevice
        }
    }
}
