/// The system calls that an `Impersonator` answers, by the processor's own numbers.
enum HandedCalls {
    /// What the programs of this machine's own architecture make; those of others fail as the kernel lets them fail.
    #if arch(x86_64)
        static let architecture = SystemCallTable.Architecture.x86_64
    #else
        static let architecture = SystemCallTable.Architecture.arm64
    #endif

    static let always: [Substring] = [
        "chown", "fchown", "lchown", "fchownat", "mknod", "mknodat",
        "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups",
        "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups",
        "stat", "lstat", "fstat", "newfstatat", "statx",
        "mkdir", "mkdirat", "symlink", "symlinkat", "creat",
        "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat",
    ]

    static let names: [UInt32: Substring] = {
        let wanted = Set(always + ["open", "openat", "prctl"])
        let numbers = SystemCallTable.numbers(for: architecture).filter { wanted.contains($0.key) }
        return Dictionary(numbers.map { ($0.value, $0.key) }) { first, _ in first }
    }()
}

extension SeccompProfile {
    /// Hands over what is about owners and users; of opening, what may make a file.
    mutating func handOwnersAndUsers() {
        let architecture = HandedCalls.architecture
        hand(HandedCalls.always, on: architecture)
        // PR_SET_KEEPCAPS: see `ClaimedIdentity`.
        hand(["prctl"], when: [.equal(0, 8)], on: architecture)
        hand(["open"], when: [.masked(1, mask: 0x40, equals: 0x40)], on: architecture)
        hand(["openat"], when: [.masked(2, mask: 0x40, equals: 0x40)], on: architecture)
    }
}
