internal import CLinux
internal import Glibc
package import SystemPackage

/// A Unix socket to which other processes connect, some to send open files.
///
/// See unix(7).
package struct LocalSocketListener: Sendable {
    private let file: OpenFile

    /// Listens at a path, which must be shorter than 108 bytes and not exist.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(at path: FilePath) throws(SystemCallError) {
        let descriptor = try retryingSystemCall("socket", path: path) {
            path.withPlatformString { slipway_listen_unix($0) }
        }
        file = OpenFile(owning: descriptor, path: path)
    }

    /// Waits for a connection and takes it.
    package func accept() async throws -> OpenFile {
        try await Readiness.wait(for: file, .reading)
        return OpenFile(
            owning: try retryingSystemCall("accept", path: file.path) { slipway_accept(file.descriptor) },
            path: file.path
        )
    }

    /// Accepts one connection and takes the file that comes with its first message.
    package func receiveFile() async throws -> OpenFile {
        let connection = try await accept()
        try await Readiness.wait(for: connection, .reading)
        let descriptor = try retryingSystemCall("recvmsg", path: file.path) {
            slipway_receive_descriptor(connection.descriptor)
        }
        return OpenFile(owning: descriptor, path: file.path)
    }
}

/// A connection to a Unix socket, of the kind that keeps messages apart or the kind that does not.
///
/// See unix(7).
package func connectLocalSocket(_ path: FilePath, keepsMessages: Bool) throws(SystemCallError) -> OpenFile {
    let descriptor = try retryingSystemCall("connect", path: path) {
        path.withPlatformString { slipway_connect_unix($0, keepsMessages ? 1 : 0) }
    }
    return OpenFile(owning: descriptor, path: path)
}
