internal import CLinux
internal import Glibc
internal import SystemPackage

/// A TCP port of this host on which nobody listens: the one asked for, or, for 0, any; nil where it is taken.
///
/// See bind(2).
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func availablePort(_ port: UInt16, address: String) throws(SystemCallError) -> UInt16? {
    let found = address.withCString { slipway_available_port($0, port) }
    if found > 0 { return UInt16(found) }
    if Glibc.errno == EADDRINUSE { return nil }
    throw SystemCallError("bind", path: FilePath("\(address):\(port)"), errno: Errno(rawValue: Glibc.errno))
}
