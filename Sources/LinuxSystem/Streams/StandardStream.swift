internal import CLinux
internal import Glibc
internal import SystemPackage
internal import Text

/// One of the three descriptors that every process is born with; never closed.
package struct StandardStream: Sendable, Hashable {
    package let descriptor: CInt
    private let name: String

    package static let input = StandardStream(descriptor: STDIN_FILENO, name: "standard input")
    package static let output = StandardStream(descriptor: STDOUT_FILENO, name: "standard output")
    package static let error = StandardStream(descriptor: STDERR_FILENO, name: "standard error")

    package var isTerminal: Bool { LinuxSystem.isTerminal(descriptor) }

    /// Opens `/dev/null` in place of each standard stream that the caller has closed.
    ///
    /// A pipe or file that the program opens for itself would get that number, and be taken for the stream. Called before anything else
    /// is opened.
    package static func openMissing() {
        for stream in [input, output, error] where fcntl(stream.descriptor, F_GETFD) == -1 {
            // The lowest free number is this one: those below it are open by now.
            _ = Glibc.open("/dev/null", O_RDWR)
        }
    }

    /// Lets reads of the stream wait again, after a `ByteReader` of a duplicate has made all of its duplicates not wait.
    package func restoreWaiting() { _ = slipway_set_nonblocking(descriptor, 0) }

    /// Writes all bytes.
    ///
    /// See write(2).
    ///
    /// - Throws: `SystemCallError`, with `EPIPE` where the reader has gone.
    package func write(_ bytes: [UInt8]) async throws {
        try await onBlockingPool { try writeAll(bytes) }
    }

    /// Writes all bytes.
    ///
    /// See write(2).
    @available(*, noasync, message: "blocks a thread; call the asynchronous form")
    package func writeAll(_ bytes: [UInt8]) throws(SystemCallError) {
        var position = 0
        while position < bytes.count {
            let result = bytes.withUnsafeBytes { buffer in
                Glibc.write(descriptor, buffer.baseAddress?.advanced(by: position), buffer.count - position)
            }
            if result >= 0 {
                position += result
                continue
            }
            switch Glibc.errno {
            case EINTR: continue
            case EAGAIN:
                // The descriptor is shared with a process that made it non-blocking.
                var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&request, 1, -1)
            case let code: throw SystemCallError("write", path: FilePath(name), errno: Errno(rawValue: code))
            }
        }
    }

    /// An open file of the same stream, which may be closed without closing the stream.
    ///
    /// See dup(2).
    package func duplicate() throws(SystemCallError) -> OpenFile {
        let copy = try retryingSystemCall("fcntl", path: FilePath(name)) { fcntl(descriptor, F_DUPFD_CLOEXEC, 3) }
        return OpenFile(owning: copy, path: FilePath(name))
    }

    /// The next bytes; empty at the end.
    ///
    /// See read(2).
    package func read(limit: Int = 65_536) async throws -> [UInt8] {
        try await onBlockingPool {
            var buffer = [UInt8](repeating: 0, count: limit)
            while true {
                let count = Glibc.read(descriptor, &buffer, limit)
                if count >= 0 { return Array(buffer[..<count]) }
                switch Glibc.errno {
                case EINTR: continue
                case EAGAIN:
                    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                    _ = poll(&request, 1, -1)
                case let code: throw SystemCallError("read", path: FilePath(name), errno: Errno(rawValue: code))
                }
            }
        }
    }

    /// One line without its end; nil at the end of the input.
    ///
    /// Reads no byte further.
    package func readLine() async throws -> [UInt8]? {
        var line: [UInt8] = []
        while true {
            let byte = try await read(limit: 1)
            if byte.isEmpty { return line.isEmpty ? nil : line }
            if byte[0] == "\n" { return line }
            line += byte
        }
    }

    /// Everything until the end.
    /// - Throws: `SystemCallError` with `EFBIG` beyond `limit` bytes.
    package func readToEnd(limit: Int) async throws -> [UInt8] {
        var content: [UInt8] = []
        while true {
            let chunk = try await read()
            if chunk.isEmpty { return content }
            content += chunk
            if content.count > limit { throw SystemCallError("read", path: FilePath(name), errno: .fileTooLarge) }
        }
    }
}
