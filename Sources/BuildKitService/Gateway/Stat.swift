import BuildKitProto
import FileSync
import Foundation
import LinuxSystem
import SystemPackage

extension OpenFile {
    /// Reads a part of the file.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func read(from offset: Int64, limit: Int) throws(SystemCallError) -> [UInt8] {
        var content: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { buffer.deallocate() }
        while content.count < limit {
            let wanted = min(buffer.count, limit - content.count)
            let count = try read(
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]),
                at: offset + Int64(content.count)
            )
            if count == 0 { break }
            content += buffer[..<count]
        }
        return content
    }
}

extension Fsutil_Types_Stat {
    /// What clients are told of a file.
    /// - Parameters:
    ///   - root: the tree.
    ///   - path: the file's place in it.
    ///   - name: what the client knows it by.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(_ root: RootedDirectory, _ path: FilePath, as name: [UInt8]) throws {
        self.init()
        let status = try root.status(path)
        self.path = Data(name)
        mode = GoFileMode.bits(permissions: status.mode) | Self.typeBits(status.type)
        uid = status.userID
        gid = status.groupID
        size = status.type == .regular ? status.size : 0
        modTime = status.modified.seconds &* 1_000_000_000 &+ Int64(status.modified.nanoseconds)
        if status.type == .symbolicLink {
            let target = try root.readLink(path)
            linkname = Data(target)
            size = Int64(target.count)
        }
        devmajor = Int64(status.deviceMajor)
        devminor = Int64(status.deviceMinor)
    }

    private static func typeBits(_ type: LinuxSystem.FileType) -> UInt32 {
        switch type {
        case .regular: 0
        case .directory: GoFileMode.directory
        case .symbolicLink: GoFileMode.symbolicLink
        case .fifo: GoFileMode.namedPipe
        case .socket: GoFileMode.socket
        case .blockDevice: GoFileMode.device
        case .characterDevice: GoFileMode.device | GoFileMode.characterDevice
        }
    }
}
