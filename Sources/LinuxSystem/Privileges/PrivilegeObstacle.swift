package import SystemPackage
internal import Text

/// Why a process could not take a better level of privileges, and what to do about it.
package enum PrivilegeObstacle: Error, Sendable, Hashable, CustomStringConvertible {
    /// Root lacks CAP_SYS_ADMIN, as in a container that was given no more than usual.
    case rootWithoutRights
    /// Root may not mount, whatever its capabilities: a profile of the container's refuses it.
    case mountRefused(SystemCallError)
    case noUserNamespaces(UserNamespaceRefusal)
    /// There is a user namespace, and its root may do nothing, as AppArmor has it.
    case powerlessUserNamespace(SystemCallError, isByAppArmor: Bool)
    /// Parts of `/proc` are covered, so that the kernel mounts no other.
    case maskedProc(FilePath)
    /// `free` are ids that no other user has.
    case noSubordinateIDs(file: FilePath, user: UserName, free: ClosedRange<UInt32>)
    case tooFewSubordinateIDs(file: FilePath, user: UserName, count: UInt32, free: ClosedRange<UInt32>)
    case sharedSubordinateIDs(file: FilePath, user: UserName, others: [[UInt8]])
    case noMapper(ProgramNotFound)
    /// The program that maps ids has neither its set-uid bit nor its capability.
    case powerlessMapper(FilePath)
    /// Set-uid bits mean nothing to this process.
    case noNewPrivileges
    case mappingFailed(program: String, says: [UInt8])

    /// The least that images need: the highest number that Debian, Alpine and Fedora give out, `nobody`, is 65534.
    package static let neededIDs: UInt32 = 65_535

    package var description: String { "\(problem); \(remedy)" }

    private var problem: String {
        switch self {
        case .rootWithoutRights: "root lacks CAP_SYS_ADMIN"
        case .mountRefused(let error): "file systems cannot be mounted (\(error))"
        case .noUserNamespaces(let refusal): refusal.problem
        case .powerlessUserNamespace(let error, let isByAppArmor):
            "root of a user namespace has no rights here" + (isByAppArmor ? ", as AppArmor has it" : "") + " (\(error))"
        case .maskedProc(let path): "\(path) is covered, so that no process can be given a /proc of its own"
        case .noSubordinateIDs(let file, let user, _): "\(user.display) has no ids in \(file)"
        case .tooFewSubordinateIDs(let file, let user, let count, _):
            "\(user.display) has only \(count) ids in \(file), and images use up to \(Self.neededIDs)"
        case .sharedSubordinateIDs(let file, let user, let others):
            "ids of \(user.display) in \(file) are also given to \(others.map { escapedForDisplay($0) }.joined(separator: ", "))"
        case .noMapper(let error): "\(error)"
        case .powerlessMapper(let path): "\(path) has neither its set-uid bit nor its capability"
        case .noNewPrivileges: "this process may gain no privileges (no_new_privs), so that newuidmap can map no ids"
        case .mappingFailed(let program, let says): "\(program) failed: \(escapedForDisplay(says))"
        }
    }

    private var remedy: String {
        switch self {
        case .rootWithoutRights:
            "a user namespace is enough, which takes no capability (docker: --security-opt seccomp=unconfined --security-opt "
                + "systempaths=unconfined, with AppArmor --security-opt apparmor=unconfined too; Kubernetes: hostUsers: false, "
                + "procMount: Unmasked and seccompProfile: Unconfined)"
        case .mountRefused:
            "let the container mount (docker: --security-opt apparmor=unconfined, Kubernetes: appArmorProfile: Unconfined)"
        case .noUserNamespaces(let refusal): refusal.remedy
        case .powerlessUserNamespace(_, true):
            "allow it: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for slipway with `userns,`"
        case .powerlessUserNamespace(_, false): "look for what restricts user namespaces in the kernel's log (dmesg)"
        case .maskedProc:
            "run the container with an uncovered /proc (docker: --security-opt systempaths=unconfined, Kubernetes: procMount: Unmasked)"
        case .noSubordinateIDs(let file, let user, let free), .tooFewSubordinateIDs(let file, let user, _, let free):
            "give some: usermod \(Self.flag(of: file)) \(free.lowerBound)-\(free.upperBound) \(user.display)"
        case .sharedSubordinateIDs:
            "give each user a range of its own, for each can change the files of the other's containers"
        case .noMapper: "without it, files have one owner"
        case .powerlessMapper(let path): "chmod u+s \(path), or install the package uidmap again"
        case .noNewPrivileges: "start it without no_new_privs (Kubernetes: allowPrivilegeEscalation: true)"
        case .mappingFailed: "compare /etc/subuid and /etc/subgid with subuid(5)"
        }
    }

    private static func flag(of file: FilePath) -> String {
        file.lastComponent?.string == "subgid" ? "--add-subgids" : "--add-subuids"
    }
}

/// Why the kernel makes no user namespace for this process.
package struct UserNamespaceRefusal: Sendable, Hashable {
    /// What says so.
    package enum Cause: Sendable, Hashable {
        /// A setting of the kernel, below `/proc/sys`, with the value that allows it.
        case setting(name: String, needed: String)
        /// A filter of system calls, as that of a container.
        case seccomp
        case unknown
    }

    package let error: SystemCallError
    package let cause: Cause

    package init(_ error: SystemCallError, cause: Cause) {
        self.error = error
        self.cause = cause
    }

    var problem: String {
        switch cause {
        case .setting(let name, _): "the setting \(name) of the kernel allows no user namespaces (\(error))"
        case .seccomp: "a filter of system calls allows no user namespaces (\(error))"
        case .unknown: "no user namespace can be made (\(error))"
        }
    }

    var remedy: String {
        switch cause {
        case .setting(let name, let needed): "allow it: sysctl -w \(name)=\(needed)"
        case .seccomp:
            "give the container another profile (docker: --security-opt seccomp=unconfined, Kubernetes: seccompProfile: Unconfined)"
        case .unknown: "see user_namespaces(7)"
        }
    }
}
