internal import Glibc
package import SystemPackage

/// Makes a directory of a name that nobody else has, readable by its owner only.
///
/// See mkdtemp(3).
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func makeScratchDirectory(in parent: FilePath, prefix: String) throws(SystemCallError) -> FilePath {
    var template = parent.appending(prefix + "XXXXXX").bytes.map { CChar(bitPattern: $0) } + [0]
    guard mkdtemp(&template) != nil else {
        throw SystemCallError("mkdtemp", path: parent, errno: Errno(rawValue: Glibc.errno))
    }
    return FilePath(bytes: template.dropLast().map { UInt8(bitPattern: $0) })
}
