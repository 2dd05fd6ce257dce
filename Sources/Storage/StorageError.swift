package import LinuxSystem
package import OCI
package import SystemPackage
internal import Text

/// What went wrong in the store: which thing, where, and what to do about it.
package enum StorageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The store was written by a later version of Slipway.
    case newerSchema(found: Int, known: Int, path: FilePath)
    /// SQLite found its file damaged.
    case databaseDamaged(path: FilePath, reason: String)
    /// Another process kept the database's write lock for longer than we wait.
    case databaseLocked(path: FilePath, holder: Int32?, seconds: Int)
    /// Something that must have the store alone found another process at work.
    case inUse(root: FilePath, process: Int32)
    /// Any other failure of the database.
    case database(path: FilePath, reason: String)
    /// The store's directory cannot be made or used.
    case unusable(root: FilePath, reason: SystemCallError)
    /// Its files were written with other numbers of users and groups than this process has.
    case otherIdentities(root: FilePath, made: IdentityMaps)
    /// What the kernel refuses is kept beside its files in another way than this process does.
    case otherKeeping(root: FilePath, made: FileIdentities)
    /// Its file system has no place to keep what the kernel lets only users with several ids do.
    case noAttributes(root: FilePath)
    /// The disk, or the user's share of it, is full; `phase` says what was being done.
    case noSpace(phase: String, path: FilePath)
    case blobMissing(Digest)
    /// The bytes on disk are not those of the digest.
    case blobDamaged(Digest, actual: Digest, path: FilePath)
    /// Content is larger than a caller accepts.
    case blobTooLarge(Digest, size: Int64, limit: Int64)
    /// Content that arrived is not what was promised; `resumedAt` is how much of it was there from an earlier attempt.
    case digestMismatch(expected: Digest, actual: Digest, resumedAt: Int64)
    /// Content that arrived is longer (`actual` is then a lower bound) or shorter than promised.
    case sizeMismatch(expected: Int64, actual: Int64)
    /// A call of the operating system failed; `phase` says what was being done.
    case system(phase: String, SystemCallError)

    package var description: String {
        switch self {
        case .newerSchema(let found, let known, let path):
            "the store \(shown(path)) was written by a newer Slipway (its format is \(found), this program knows "
                + "up to \(known)): upgrade Slipway, or choose another directory with --root"
        case .databaseDamaged(let path, let reason):
            "the database \(shown(path)) is damaged: \(reason). Nothing was removed. Run `slipway system check --repair` "
                + "to make it again from the records beside it"
        case .databaseLocked(let path, let holder, let seconds):
            "the database \(shown(path)) has been locked for \(seconds) s"
                + (holder.map { " by process \($0)" } ?? "") + ": wait for that process or end it, then try again"
        case .inUse(let root, let process):
            "process \(process) is using the store \(shown(root)): end it, or wait for it, then try again"
        case .database(let path, let reason): "the database \(shown(path)): \(reason)"
        case .unusable(let root, let reason):
            "cannot use \(shown(root)) as the store: \(reason) (choose another directory with --root or SLIPWAY_ROOT)"
        case .otherIdentities(let root, let made):
            "the store \(shown(root)) was made in a user namespace with other ids (its users were "
                + made.users.ranges.map { "\($0.outside)-\($0.outside + ($0.count - 1))" }.joined(separator: ", ")
                + "): give them back in /etc/subuid and /etc/subgid, or remove the store with `slipway system reset`"
        case .otherKeeping(let root, let made):
            "the store \(shown(root)) was made \(made.keepsModes ? "without a user namespace" : "in a user namespace with ")"
                + (made.keepsModes ? "" : made.maps.isSingle ? "one id" : "several ids")
                + ", where owners of files are kept in another way: choose another one with --root or SLIPWAY_ROOT, "
                + "or remove it with `slipway system reset`"
        case .noAttributes(let root):
            "the file system of the store \(shown(root)) keeps no attributes of users (user.*), in which owners are noted for a "
                + "user with one id: choose a directory on another one with --root or SLIPWAY_ROOT, or have subordinate ids "
                + "given (usermod --add-subuids, --add-subgids)"
        case .noSpace(let phase, let path):
            "no space left on device while \(phase) in \(shown(path)): free some space, or run `slipway system prune`"
        case .blobMissing(let digest): "blob \(digest) is not in the store"
        case .blobDamaged(let digest, let actual, let path):
            "blob \(digest) is damaged: \(shown(path)) has the content of \(actual). "
                + "Run `slipway system check --repair` to set it aside, then pull or build the image again"
        case .blobTooLarge(let digest, let size, let limit):
            "blob \(digest) has \(size) bytes, more than the \(limit) accepted here"
        case .digestMismatch(let expected, let actual, let resumedAt):
            "the content that arrived has digest \(actual), expected \(expected)"
                + (resumedAt > 0
                    ? " (its first \(resumedAt) bytes were left by an earlier attempt and were dropped)" : "")
        case .sizeMismatch(let expected, let actual):
            actual > expected
                ? "the content that arrived is longer than the \(expected) bytes promised"
                : "the content ended after \(actual) of \(expected) bytes"
        case .system(let phase, let error): "\(phase): \(error)"
        }
    }
}

private func shown(_ path: FilePath) -> String { escapedForDisplay(path.bytes) }

extension StorageError {
    /// Says what was being done when a call failed, and tells a full disk from everything else.
    package init(_ error: SystemCallError, while phase: String, in path: FilePath) {
        switch error.errno {
        case .noSpace, .diskQuotaExceeded: self = .noSpace(phase: phase, path: path)
        default: self = .system(phase: phase, error)
        }
    }
}

/// Runs `body`; a failing system call becomes an error that says what was being done.
package func whileDoing<Value>(_ phase: String, in path: FilePath, _ body: () throws -> Value) throws -> Value {
    do {
        return try body()
    } catch let error as SystemCallError {
        throw StorageError(error, while: phase, in: path)
    }
}

extension StorageError: CausedError {
    package var cause: (any Error)? {
        switch self {
        case .unusable(_, let error), .system(_, let error): error
        case .newerSchema, .databaseDamaged, .databaseLocked, .inUse, .otherIdentities, .otherKeeping, .noAttributes,
            .database, .noSpace,
            .blobMissing, .blobDamaged, .blobTooLarge, .digestMismatch, .sizeMismatch:
            nil
        }
    }
}
