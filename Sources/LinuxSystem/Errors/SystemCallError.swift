internal import CLinux
internal import Glibc
package import SystemPackage
internal import Text

/// A system call that failed: which one, on what, and why.
package struct SystemCallError: Error, Hashable, CustomStringConvertible {
    /// The C function, as its man page names it.
    package let call: String
    /// The path the call was about, if it was about one.
    package let path: FilePath?
    package let errno: Errno

    package init(_ call: String, path: FilePath? = nil, errno: Errno) {
        self.call = call
        self.path = path
        self.errno = errno
    }

    package var description: String {
        let reason = Self.text(of: errno)
        guard let path else { return "\(call): \(reason)" }
        return "\(call) \(escapedForDisplay(path.bytes)): \(reason)"
    }

    /// The text of an errno as strerror(3) gives it, in lower case as Go's and coreutils' users know it.
    package static func text(of errno: Errno) -> String {
        var buffer = [CChar](repeating: 0, count: 128)
        slipway_strerror(errno.rawValue, &buffer, buffer.count)
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.prefix(1).lowercased() + text.dropFirst()
    }
}

/// Runs a call that returns -1 on failure, again as long as a signal interrupts it.
@inline(__always)
package func retryingSystemCall<Value: FixedWidthInteger & SignedInteger>(
    _ call: String,
    path: @autoclosure () -> FilePath? = nil,
    _ body: () -> Value
) throws(SystemCallError) -> Value {
    while true {
        let result = body()
        if result != -1 { return result }
        let code = Glibc.errno
        if code != EINTR { throw SystemCallError(call, path: path(), errno: Errno(rawValue: code)) }
    }
}

extension FilePath {
    /// The bytes of the path, without the terminator.
    package var bytes: [UInt8] {
        withPlatformString { pointer in
            Array(UnsafeRawBufferPointer(start: pointer, count: strlen(pointer)))
        }
    }

    /// A path of exactly these bytes; a NUL byte ends it, as it does for the kernel.
    package init(bytes: some Collection<UInt8>) {
        var characters = bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) }
        characters.append(0)
        self.init(platformString: characters)
    }

    /// The path of an entry of this directory; of an empty path, the name alone.
    ///
    /// It is put together from bytes: the generic form of SystemPackage looks up its types at run time, which costs a short command
    /// a third of a millisecond.
    package func appending(name: [UInt8]) -> FilePath { FilePath(bytes: isEmpty ? name : bytes + "/" + name) }
}
