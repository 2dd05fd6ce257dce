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
/// A path that is too long for the name of a socket is reached through its directory. See unix(7).
package func connectLocalSocket(_ path: FilePath, keepsMessages: Bool) throws(SystemCallError) -> OpenFile {
    OpenFile(owning: try connect(path, keepsMessages: keepsMessages), path: path)
}

@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func connect(_ path: FilePath, keepsMessages: Bool) throws(SystemCallError) -> CInt {
    func connect(_ short: FilePath) throws(SystemCallError) -> CInt {
        try retryingSystemCall("connect", path: path) {
            short.withPlatformString { slipway_connect_unix($0, keepsMessages ? 1 : 0) }
        }
    }
    guard path.length >= 108, let name = path.lastComponent else { return try connect(path) }
    let parent = path.removingLastComponent()
    let directory = try OpenFile.open(parent.isEmpty ? "." : parent, [.pathOnly, .directory])
    return try connect(directory.procPath.appending(name))
}

extension OpenFile {
    /// Says at the other end of a connection that nothing more comes from here.
    ///
    /// See shutdown(2).
    package func finishWriting() throws(SystemCallError) {
        _ = try retryingSystemCall("shutdown", path: path) { shutdown(descriptor, CInt(SHUT_WR)) }
    }
}

/// Connects to a Unix socket for another part of the program.
///
/// A path that is too long for the name of a socket is reached through its directory. See unix(7).
/// - Parameter path: of the socket.
/// - Returns: a descriptor that the caller must close.
/// - Throws: `SystemCallError`.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func connectedLocalSocket(_ path: FilePath) throws(SystemCallError) -> CInt {
    try connect(path, keepsMessages: false)
}

/// Binds a Unix socket on which another part of the program will listen.
///
/// A path that is too long for the name of a socket is reached through its directory. See unix(7).
/// - Parameters:
///   - path: must not exist.
///   - mode: the permissions of the socket's file, from its first moment on.
///   - group: the group of the file; nil leaves the caller's.
/// - Returns: a descriptor that the caller must close.
/// - Throws: `SystemCallError`.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func bindLocalSocket(_ path: FilePath, mode: UInt32, group: UInt32?) throws(SystemCallError) -> CInt {
    guard let name = path.lastComponent else { throw SystemCallError("bind", path: path, errno: .isDirectory) }
    let parent = path.removingLastComponent()
    let directory = try OpenFile.open(parent.isEmpty ? "." : parent, [.readOnly, .directory])
    let short = directory.procPath.appending(name)
    let descriptor = try retryingSystemCall("bind", path: path) {
        (path.length < 108 ? path : short).withPlatformString { slipway_bind_unix($0, mode) }
    }
    do throws(SystemCallError) {
        let root = RootedDirectory(directory: directory)
        let entry = FilePath(root: nil, [name])
        if let group { try root.changeOwner(entry, user: getuid(), group: group) }
        // The mask of the process and the change of the owner may have taken bits away.
        try root.changeMode(entry, mode)
    } catch {
        close(descriptor)
        throw error
    }
    return descriptor
}
