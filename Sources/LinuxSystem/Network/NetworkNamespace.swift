internal import CLinux
internal import Glibc
internal import Synchronization
package import SystemPackage

/// A network namespace without a name: it lives as long as this object, or a process in it, does.
///
/// See network_namespaces(7). With it go its interfaces, the other ends of their cables, and what leads to those.
package struct NetworkNamespace: Sendable {
    package let file: OpenFile
    package let interfaces: NetworkInterfaces

    /// The namespace that a file is mounted for.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(at path: FilePath) throws(SystemCallError) {
        let file = try OpenFile.open(path, .readOnly)
        self.file = file
        interfaces = try inNetworkNamespace(file) { () throws(SystemCallError) in try NetworkInterfaces() }
    }

    /// Does something as a thread of the namespace.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func perform<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        try inNetworkNamespace(file) { () throws(SystemCallError) in Result { try body() } }.get()
    }

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

/// Does something as a thread of a new network namespace.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func inNewNetworkNamespace<Value: Sendable>(
    _ body: @escaping @Sendable () throws(SystemCallError) -> Value
) throws(SystemCallError) -> Value {
    try onThread(body) { () throws(SystemCallError) in
        _ = try retryingSystemCall("unshare") { slipway_unshare(slipway_CLONE_NEWNET) }
    }
}

/// The same with a namespace that is there.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func inNetworkNamespace<Value: Sendable>(
    _ namespace: OpenFile,
    _ body: @escaping @Sendable () throws(SystemCallError) -> Value
) throws(SystemCallError) -> Value {
    try onThread(body) { () throws(SystemCallError) in
        _ = try retryingSystemCall("setns") { slipway_setns(namespace.descriptor, slipway_CLONE_NEWNET) }
    }
}

/// A namespace belongs to a thread, and from a user namespace there is no way back to the host's: so a thread enters it that ends there.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func onThread<Value: Sendable>(
    _ body: @escaping @Sendable () throws(SystemCallError) -> Value,
    entering enter: @escaping @Sendable () throws(SystemCallError) -> Void
) throws(SystemCallError) -> Value {
    let result = Mutex<Result<Value, SystemCallError>?>(nil)
    let thread = try JoinableThread {
        let made = Result { () throws(SystemCallError) in
            try enter()
            return try body()
        }
        result.withLock { $0 = made }
    }
    thread.join()
    guard let made = result.withLock({ $0 }) else { throw SystemCallError("pthread_join", errno: .noSuchProcess) }
    return try made.get()
}
