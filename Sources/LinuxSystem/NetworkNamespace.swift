internal import CLinux
internal import Glibc
package import SystemPackage

/// Makes a network namespace and keeps it at a path: a file on which it is mounted.
///
/// See network_namespaces(7).
///
/// It lives as long as that mount or a process in it does.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func makeNetworkNamespace(at path: FilePath) throws(SystemCallError) {
    _ = try OpenFile.open(path, O_WRONLY | O_CREAT | O_NOFOLLOW, mode: 0o600)
    // A namespace belongs to a thread: this one makes the new one, and goes back.
    let previous = try OpenFile.open("/proc/thread-self/ns/net", O_RDONLY)
    _ = try retryingSystemCall("unshare") { slipway_unshare(slipway_CLONE_NEWNET) }
    let made = Result { () throws(SystemCallError) in try OpenFile.open("/proc/thread-self/ns/net", O_RDONLY) }
    _ = try retryingSystemCall("setns") { slipway_setns(previous.descriptor, slipway_CLONE_NEWNET) }
    try DetachedMount.bind(try made.get()).attach(at: path)
}
