internal import LinuxSystem
internal import SystemPackage
internal import Text

extension [UInt8] {
    /// The path for the kernel, which the empty path is the root for.
    var filePath: FilePath { isEmpty ? FilePath(".") : FilePath(bytes: self) }
}
