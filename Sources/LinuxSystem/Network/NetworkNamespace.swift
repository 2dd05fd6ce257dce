internal import CLinux
internal import Glibc
package import SystemPackage

/// A network namespace without a name: it lives as long as this object, or a process in it, does.
///
/// See network_namespaces(7). With it go its interfaces, the other ends of their cables, and what leads to those.
package struct NetworkNamespace: Sendable {
    package let file: OpenFile
    package let interfaces: NetworkInterfaces

    /// Makes a namespace in which there is only a loopback device, which is down.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init() throws(SystemCallError) {
        (file, interfaces) = try inNewNetworkNamespace { () throws(SystemCallError) in
            (try OpenFile.open("/proc/thread-self/ns/net", .readOnly), try NetworkInterfaces())
        }
    }
}

/// Makes a network namespace and keeps it at a path: a file on which it is mounted.
///
/// See network_namespaces(7).
///
/// It lives as long as that mount or a process in it does.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func makeNetworkNamespace(at path: FilePath) throws(SystemCallError) {
    _ = try OpenFile.open(path, [.writeOnly, .create, .noFollow], mode: 0o600)
    let made = try inNewNetworkNamespace { () throws(SystemCallError) in
        try OpenFile.open("/proc/thread-self/ns/net", .readOnly)
    }
    try DetachedMount.bind(made).attach(at: path)
}

/// A namespace belongs to a thread: this one makes a new one, and goes back.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func inNewNetworkNamespace<Value>(_ body: () throws(SystemCallError) -> Value) throws(SystemCallError) -> Value
{
    let previous = try OpenFile.open("/proc/thread-self/ns/net", .readOnly)
    _ = try retryingSystemCall("unshare") { slipway_unshare(slipway_CLONE_NEWNET) }
    let result = Result { () throws(SystemCallError) in try body() }
    _ = try retryingSystemCall("setns") { slipway_setns(previous.descriptor, slipway_CLONE_NEWNET) }
    return try result.get()
}
