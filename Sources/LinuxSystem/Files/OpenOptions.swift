internal import CLinux
internal import Glibc

/// How a file is opened.
///
/// See open(2). Every file is opened with `O_CLOEXEC` besides.
package struct OpenOptions: OptionSet, Sendable, Hashable {
    package let rawValue: CInt
    package init(rawValue: CInt) { self.rawValue = rawValue }

    /// For reading, which is what open(2) does without any flag.
    package static let readOnly: OpenOptions = []
    package static let writeOnly = OpenOptions(rawValue: O_WRONLY)
    package static let readWrite = OpenOptions(rawValue: O_RDWR)
    /// Neither for reading nor for writing: a handle on the place itself (`O_PATH`).
    package static let pathOnly = OpenOptions(rawValue: slipway_O_PATH)

    /// Creates a missing file.
    package static let create = OpenOptions(rawValue: O_CREAT)
    /// Creates the file, and fails where something is there already (`O_CREAT | O_EXCL`).
    package static let createNew = OpenOptions(rawValue: O_CREAT | O_EXCL)
    /// A new file without a name in the directory that is opened (`O_TMPFILE`).
    package static let unnamed = OpenOptions(rawValue: slipway_O_TMPFILE)
    package static let truncate = OpenOptions(rawValue: O_TRUNC)
    /// Each write goes to the end of the file.
    package static let append = OpenOptions(rawValue: O_APPEND)

    /// Fails on anything but a directory.
    package static let directory = OpenOptions(rawValue: O_DIRECTORY)
    /// Fails on a symbolic link in the last component or, with `pathOnly`, opens the link itself.
    package static let noFollow = OpenOptions(rawValue: O_NOFOLLOW)
    /// Does not wait for the other end of a pipe.
    package static let nonBlocking = OpenOptions(rawValue: O_NONBLOCK)
    /// Does not make a terminal the controlling terminal of the process.
    package static let noControllingTerminal = OpenOptions(rawValue: O_NOCTTY)
}
