internal import Glibc
package import SystemPackage

/// How much room a file system has for files of whoever asks.
///
/// See statvfs(3).
package struct FileSystemSpace: Sendable, Hashable {
    package let availableBytes: UInt64
    /// Of the whole file system.
    package let totalBytes: UInt64
    /// Nil where the file system does not count its files.
    package let availableFiles: UInt64?

    package init(availableBytes: UInt64, availableFiles: UInt64?, totalBytes: UInt64 = 0) {
        self.availableBytes = availableBytes
        self.totalBytes = totalBytes
        self.availableFiles = availableFiles
    }

    /// Of the file system that a path is on.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(at path: FilePath) throws(SystemCallError) {
        var status = statvfs()
        _ = try retryingSystemCall("statvfs", path: path) { path.withPlatformString { statvfs($0, &status) } }
        availableBytes = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue
        totalBytes = UInt64(status.f_blocks).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue
        availableFiles = status.f_files == 0 ? nil : UInt64(status.f_favail)
    }
}
