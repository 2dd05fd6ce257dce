package import SystemPackage
internal import Text

/// Where sockets and locks are that mean nothing after a reboot: a directory that no other user can write to.
package struct RuntimeDirectory: Sendable, Hashable {
    /// Slipway's own, which need not be there yet.
    package let path: FilePath
    /// What is wrong with the place where it should be.
    package let problem: Problem?

    /// Why the directory of `XDG_RUNTIME_DIR` is not used.
    package enum Problem: Sendable, Hashable {
        case isNotSet
        case isNotOwn(FilePath)
    }

    package init(path: FilePath, problem: Problem? = nil) {
        self.path = path
        self.problem = problem
    }

    /// Of root `/run/slipway`; of other users, and of root of their namespaces, below `XDG_RUNTIME_DIR`.
    /// - Parameters:
    ///   - variable: the value of `XDG_RUNTIME_DIR`, nil where it is not set.
    ///   - facts: who runs this process.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(variable: [UInt8]?, _ facts: ProcessFacts) {
        let given = variable.map { FilePath(bytes: $0) }.flatMap { $0.isAbsolute ? $0 : nil }
        if facts.userID == 0, facts.isInFirstNamespace {
            self.init(path: "/run/slipway")
            return
        }
        // Where root is another user outside, that user's places are root's.
        let number = facts.maps.users.ranges.first { $0.inside == 0 && facts.userID == 0 }?.outside ?? facts.userID
        if given == nil, facts.userID == 0 {
            let places = [FilePath("/run/user/\(number)"), FilePath("/tmp/slipway-\(number)")]
            switch places.first(where: { Self.isOwn($0, 0) }) {
            case places[0]: self.init(path: places[0].appending("slipway"))
            case let place?: self.init(path: place)
            case nil: self.init(path: "/run/slipway")
            }
            return
        }
        if let given, Self.isOwn(given, facts.userID) {
            self.init(path: given.appending("slipway"))
            return
        }
        let problem = given.map { Problem.isNotOwn($0) } ?? .isNotSet
        let usual = FilePath("/run/user/\(number)")
        let place = Self.isOwn(usual, facts.userID) ? usual.appending("slipway") : FilePath("/tmp/slipway-\(number)")
        self.init(path: place, problem: problem)
    }

    private static func isOwn(_ path: FilePath, _ userID: UInt32) -> Bool {
        guard let status = try? HostFiles.status(of: path) else { return false }
        return status.type == .directory && status.userID == userID
    }

    /// Makes it where it is missing.
    /// - Throws: `EPERM` where something is there that others may write to.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func make() throws(SystemCallError) {
        try HostFiles.createDirectory(path, mode: 0o700)
        let status = try OpenFile.open(path, [.pathOnly, .directory, .noFollow]).status()
        guard status.userID == ProcessContext.fileOwner.user, status.mode & 0o022 == 0 else {
            throw SystemCallError("mkdir", path: path, errno: .notPermitted)
        }
    }
}

extension RuntimeDirectory.Problem: CustomStringConvertible {
    package var description: String {
        switch self {
        case .isNotSet: "XDG_RUNTIME_DIR is not set"
        case .isNotOwn(let path):
            "XDG_RUNTIME_DIR is \(escapedForDisplay(path.bytes)), which is no directory of this user's"
        }
    }
}
