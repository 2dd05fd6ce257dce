package import SystemPackage

/// Settings of the kernel, below `/proc/sys`; see sysctl(8).
package struct KernelSettings: Sendable {
    /// Ubuntu's since 23.10: namespaces of users without a profile of AppArmor give no rights.
    static let restrictedByAppArmor = "kernel.apparmor_restrict_unprivileged_userns"

    private let directory: FilePath

    /// - Parameter directory: where the kernel shows them.
    package init(directory: FilePath = "/proc/sys") { self.directory = directory }

    /// The value of a setting; nil where the kernel does not have it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func value(_ name: String) -> String? {
        guard let value = try? contentsIfPresent(of: path(of: name), limit: 4096) else { return nil }
        return String(decoding: value.filter { $0 != 0x0a }, as: UTF8.self)
    }

    /// Changes a setting; those of networks are the ones of the calling thread's.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func set(_ name: String, to value: String) throws(SystemCallError) {
        try OpenFile.open(path(of: name), .writeOnly).write(Array(value.utf8))
    }

    private func path(of name: String) -> FilePath {
        directory.pushing(FilePath(name.split(separator: ".").joined(separator: "/")))
    }

    /// Why the kernel makes no user namespace.
    /// - Parameters:
    ///   - error: of unshare(2).
    ///   - isFiltered: whether system calls of this process are filtered.
    /// - Returns: the error with what says no, as far as that can be told.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func refusal(_ error: SystemCallError, isFiltered: Bool) -> UserNamespaceRefusal {
        let limit = "user.max_user_namespaces"
        let switched = "kernel.unprivileged_userns_clone"
        let cause: UserNamespaceRefusal.Cause =
            if error.errno == .noSpace || value(limit) == "0" {
                .setting(name: limit, needed: "28633")
            } else if value(switched) == "0" {
                .setting(name: switched, needed: "1")
            } else if value(Self.restrictedByAppArmor) == "1" {
                .setting(name: Self.restrictedByAppArmor, needed: "0")
            } else {
                isFiltered ? .seccomp : .unknown
            }
        return UserNamespaceRefusal(error, cause: cause)
    }

    /// Why root of a user namespace that was made has no rights in it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func powerlessness(_ error: SystemCallError) -> PrivilegeObstacle {
        .powerlessUserNamespace(error, isByAppArmor: value(Self.restrictedByAppArmor) == "1")
    }
}
