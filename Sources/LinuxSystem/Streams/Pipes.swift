internal import CLinux
internal import Glibc
internal import SystemPackage

/// The reading end of a pipe, terminal or socket, read without holding a thread.
///
/// Nothing is buffered here: what the kernel holds (64 KiB for a pipe) is all that can pile up, and a writer that is faster waits.
package final class ByteReader: Sendable {
    private let file: OpenFile

    /// Makes the open file description non-blocking and reads from it.
    package init(_ file: OpenFile) throws(SystemCallError) {
        self.file = file
        _ = try retryingSystemCall("fcntl", path: file.path) { slipway_set_nonblocking(file.descriptor, 1) }
    }

    /// The next bytes, at most `limit`; nil at the end.
    /// - Throws: `CancellationError`, `SystemCallError`.
    package func read(limit: Int = 65_536) async throws -> [UInt8]? {
        while true {
            var code: CInt = 0
            let chunk = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
                let result = Glibc.read(file.descriptor, buffer.baseAddress, buffer.count)
                if result < 0 { code = Glibc.errno }
                count = max(result, 0)
            }
            switch code {
            case 0: return chunk.isEmpty ? nil : chunk
            case EAGAIN: try await Readiness.wait(for: file, .reading)
            case EINTR: continue
            // A terminal whose other end nobody holds any more.
            case EIO: return nil
            default: throw SystemCallError("read", path: file.path, errno: Errno(rawValue: code))
            }
        }
    }

    /// Everything until the end; what exceeds `limit` is read and dropped.
    package func readToEnd(limit: Int) async throws -> [UInt8] {
        var content: [UInt8] = []
        while let chunk = try await read() { content.append(contentsOf: chunk.prefix(limit - content.count)) }
        return content
    }
}

/// The writing end of a pipe, terminal or socket, written without holding a thread.
package final class ByteWriter: Sendable {
    private let file: OpenFile

    /// Makes the open file description non-blocking and writes to it.
    package init(_ file: OpenFile) throws(SystemCallError) {
        self.file = file
        _ = try retryingSystemCall("fcntl", path: file.path) { slipway_set_nonblocking(file.descriptor, 1) }
    }

    /// Writes all bytes, waiting for the reader as needed.
    ///
    /// The end is closed when the last reference goes.
    ///
    /// - Throws: `CancellationError`, `SystemCallError` (`.brokenPipe` when nobody reads any more).
    package func write(_ bytes: [UInt8]) async throws {
        var position = 0
        while position < bytes.count {
            let written = bytes.withUnsafeBytes { buffer in
                Glibc.write(file.descriptor, buffer.baseAddress?.advanced(by: position), buffer.count - position)
            }
            if written >= 0 {
                position += written
                continue
            }
            switch Glibc.errno {
            case EAGAIN: try await Readiness.wait(for: file, .writing)
            case EINTR: continue
            case let code: throw SystemCallError("write", path: file.path, errno: Errno(rawValue: code))
            }
        }
    }
}

/// Makes a pipe.
///
/// See pipe(7).
package func makePipe() throws(SystemCallError) -> (reading: OpenFile, writing: OpenFile) {
    var ends: (CInt, CInt) = (-1, -1)
    _ = try retryingSystemCall("pipe2") {
        withUnsafeMutableBytes(of: &ends) { slipway_pipe($0.baseAddress?.assumingMemoryBound(to: CInt.self)) }
    }
    return (OpenFile(owning: ends.0, path: "pipe"), OpenFile(owning: ends.1, path: "pipe"))
}

extension OpenFile {
    /// A second descriptor of the same open file.
    ///
    /// See fcntl(2), `F_DUPFD_CLOEXEC`.
    package func duplicate() throws(SystemCallError) -> OpenFile { try duplicate(above: 0) }

    /// A second descriptor of the same open file, numbered at least `minimum`.
    func duplicate(above minimum: CInt) throws(SystemCallError) -> OpenFile {
        let copy = try retryingSystemCall("fcntl", path: path) { slipway_duplicate_above(descriptor, minimum) }
        return OpenFile(owning: copy, path: path)
    }
}

/// A second descriptor of one of this process's own standard streams (0, 1 or 2).
package func duplicateStandardStream(_ descriptor: CInt) throws(SystemCallError) -> OpenFile {
    let copy = try retryingSystemCall("fcntl") { slipway_duplicate_above(descriptor, 3) }
    return OpenFile(owning: copy, path: FilePath("/dev/fd/\(descriptor)"))
}
