package import SystemPackage

/// What a child process is given.
package struct ChildProcessConfiguration: Sendable {
    /// Where a descriptor of the child leads.
    package enum File: Sendable {
        /// `/dev/null`.
        case null
        /// The null device by a node of its own, whose owner and mode the child may change: runtimes give the standard streams
        /// of a process to its user, and those of the machine's `/dev/null` are everybody's.
        case ownNull
        /// The caller's descriptor of the same number.
        case inherited
        case open(OpenFile)
        /// A pipe that this process reads: `ChildProcess.reader(_:)`.
        case pipeFromChild
        /// A pipe that this process writes: `ChildProcess.takeWriter(_:)`.
        case pipeToChild
    }

    /// Which processes a terminal's signals reach, and who is the leader.
    package enum Grouping: Sendable {
        /// The caller's session and process group: Ctrl-C reaches the child as well.
        case shared
        /// A process group of its own: Ctrl-C reaches the caller only.
        case ownProcessGroup
        case ownSession
        /// A session whose controlling terminal is descriptor 0.
        case ownTerminalSession
    }

    /// One mount(2) in the child's own mount namespace, performed before the program starts.
    package struct Mount: Sendable {
        package var source: FilePath
        package var target: FilePath
        package var type: String?
        package var flags: MountFlags
        package var options: String?

        package init(
            source: FilePath,
            target: FilePath,
            type: String? = nil,
            flags: MountFlags = [],
            options: String? = nil
        ) {
            self.source = source
            self.target = target
            self.type = type
            self.flags = flags
            self.options = options
        }
    }

    /// Namespaces made for the child.
    ///
    /// See namespaces(7).
    package struct Namespaces: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }
        package static let mount = Namespaces(rawValue: 1)
        /// The child is process 1 of a namespace: when it ends, the kernel kills every process in it.
        package static let process = Namespaces(rawValue: 2)
        package static let network = Namespaces(rawValue: 4)
    }

    package var program: Program
    /// Everything after the program's own name.
    package var arguments: [[UInt8]]
    /// `argv[0]`; nil is the program as it was named.
    package var name: [UInt8]?
    /// `NAME=value`; nil passes the caller's environment on.
    package var environment: [[UInt8]]?
    package var workingDirectory: FilePath?
    /// By number; 0, 1 and 2 are `/dev/null` unless given.
    ///
    /// Everything else is closed in the child.
    package var files: [CInt: File] = [:]
    package var grouping = Grouping.ownProcessGroup
    package var namespaces: Namespaces = []
    package var mounts: [Mount] = []
    /// Kills the child, without mercy, when this process dies.
    ///
    /// Not for what must outlive it.
    package var diesWithParent = true
    /// The cgroup of version 2 to start in: its directory.
    ///
    /// To be born in it takes no time; to join one later waits for the whole kernel, 10 ms and more.
    package var controlGroup: OpenFile?
    /// The cgroups to join before anything else: their `cgroup.procs`, open for writing.
    ///
    /// See cgroups(7).
    package var controlGroups: [OpenFile] = []
    /// A network namespace to enter, open for reading.
    package var networkNamespace: OpenFile?
    /// What the child gives up; `workingDirectory` is then one of the root that it gets.
    package var confinement: ProcessConfinement?

    package init(_ program: Program, _ arguments: [[UInt8]] = []) {
        self.program = program
        self.arguments = arguments
    }

    package init(_ program: Program, _ arguments: [String]) {
        self.init(program, arguments.map { Array($0.utf8) })
    }
}
