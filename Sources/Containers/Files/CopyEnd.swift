import LinuxSystem
import SystemPackage
internal import Text

/// One end of a copy: a path, on the host or in a container.
package struct CopyEnd: Sendable {
    /// A directory that paths are looked up in, with itself as their root.
    let root: RootedDirectory
    let path: FilePath
    /// Whether the path was written with `/` or `/.` at its end.
    let namesDirectory: Bool
    let namesContents: Bool
    /// The user namespace in which its files have owners; nil for this process's own.
    var identities: IdentityMaps?

    init(root: RootedDirectory, path: FilePath, written bytes: [UInt8]) {
        self.root = root
        self.path = path
        namesDirectory = bytes.last == "/"
        namesContents = bytes == "." || bytes.suffix(2) == "/."
    }
}

/// Why something could not be copied, in docker's words.
package enum CopyError: Error, Hashable, CustomStringConvertible {
    case notFound([UInt8])
    case noParentDirectory([UInt8])
    case directoryMustExist([UInt8])
    case cannotCopyDirectory
    case notDirectory([UInt8])
    case isDevice([UInt8])
    case isSocket([UInt8])
    case rootIsReadOnly
    case mountIsReadOnly(String)

    package var description: String {
        switch self {
        case .notFound(let path): "could not find the file \(escapedForDisplay(path))"
        case .noParentDirectory(let path), .directoryMustExist(let path):
            "no such directory: \(escapedForDisplay(path))"
        case .cannotCopyDirectory: "cannot copy directory"
        case .notDirectory(let path): "not a directory: \(escapedForDisplay(path))"
        case .isDevice(let path):
            "destination \"\(escapedForDisplay(path))\" must be a directory or a regular file: got a device"
        case .isSocket(let path): "\(escapedForDisplay(path)) is a socket, which cannot be copied"
        case .rootIsReadOnly: "container rootfs is marked read-only"
        case .mountIsReadOnly(let target): "mounted volume is marked read-only: \(target)"
        }
    }
}
