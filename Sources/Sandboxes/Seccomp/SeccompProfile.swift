/// Which system calls a process may make.
///
/// See seccomp(2).
///
/// A call is allowed when any of its rules matches; a rule matches when all its conditions do.
package struct SeccompProfile: Sendable, Hashable {
    /// A test of one argument of a call, which is 64 bits wide whatever the call makes of it.
    enum Condition: Sendable, Hashable {
        case equal(Int, UInt64)
        case below(Int, UInt64)
        case masked(Int, mask: UInt64, equals: UInt64)
        /// Of the lower half, for a call that looks at no more.
        case lowerDiffers(Int, UInt32)
    }

    enum Failure: UInt32, Sendable, Hashable {
        case notPermitted = 1
        case noSuchSystemCall = 38
    }

    enum Action: Sendable, Hashable {
        case allow
        /// Any of these conjunctions allows the call; otherwise it fails with EPERM.
        case allowIfAny([[Condition]])
        case fail(Failure)
        /// Another process answers the call when all of these hold; otherwise it is allowed.
        case hand([Condition])
    }

    /// By architecture and name.
    ///
    /// What is not here fails with EPERM.
    private var actions: [SystemCallTable.Architecture: [Substring: Action]] = [:]

    init() {}

    /// The action for a call; nil where the profile does not name it.
    func action(for name: Substring, on architecture: SystemCallTable.Architecture) -> Action? {
        actions[architecture]?[name]
    }

    /// Allows calls by name, separated by space, on all architectures or some.
    mutating func allow(
        _ names: String,
        when conditions: [Condition] = [],
        on architectures: [SystemCallTable.Architecture] = SystemCallTable.Architecture.allCases
    ) {
        for architecture in architectures {
            for name in names.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
                let previous = actions[architecture]?[name]
                let action: Action =
                    switch (previous, conditions.isEmpty) {
                    case (_, true), (.allow?, _): .allow
                    case (.allowIfAny(let others)?, false): .allowIfAny(others + [conditions])
                    case (.fail?, false), (.hand?, false), (nil, false): .allowIfAny([conditions])
                    }
                actions[architecture, default: [:]][name] = action
            }
        }
    }

    /// Hands allowed calls to another process, on one architecture.
    mutating func hand(
        _ names: some Sequence<Substring>,
        when conditions: [Condition] = [],
        on architecture: SystemCallTable.Architecture
    ) {
        for name in names where actions[architecture]?[name] == .allow {
            actions[architecture, default: [:]][name] = .hand(conditions)
        }
    }

    /// Lets a call fail with an error of its own.
    mutating func fail(_ name: Substring, with failure: Failure) {
        for architecture in SystemCallTable.Architecture.allCases {
            actions[architecture, default: [:]][name] = .fail(failure)
        }
    }

    /// Allows a call under conditions alone, whatever was allowed before; each of the conjunctions is enough.
    private mutating func restrict(_ name: Substring, to conjunctions: [[Condition]]) {
        for architecture in SystemCallTable.Architecture.allCases {
            actions[architecture, default: [:]][name] = .allowIfAny(conjunctions)
        }
    }

    /// Leaves sockets within the machine: those of AF_UNIX, and those that ask the kernel for facts (AF_NETLINK).
    mutating func refuseNetworks() {
        restrict("socket", to: [[.equal(0, 1)], [.equal(0, 16)]])
        fail("socketcall", with: .notPermitted)
    }

    /// Refuses limits and priorities of other processes, for one that shares the process namespace of its builder.
    ///
    /// A limit of processor time ends the process that it is given to, as a signal does. 0 is the caller, or its group.
    mutating func refuseLimitsOfOthers() {
        restrict("prlimit64", to: [[.equal(0, 0)]])
        // Of a process or a group, not of all processes of a user.
        restrict("setpriority", to: [[.equal(0, 0), .equal(1, 0)], [.equal(0, 1), .equal(1, 0)]])
        restrict("ioprio_set", to: [[.equal(0, 1), .equal(1, 0)], [.equal(0, 2), .equal(1, 0)]])
    }

    /// Refuses the signal to every process there is, for one that shares the process namespace of its builder.
    mutating func refuseSignalsToAll() { restrict("kill", to: [[.lowerDiffers(0, .max)]]) }
}
