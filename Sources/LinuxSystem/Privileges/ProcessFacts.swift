internal import Glibc
internal import SystemPackage
internal import Text

/// What of this process decides which privileges it can take.
package struct ProcessFacts: Sendable, Hashable {
    package var userID: UInt32
    package var groupID: UInt32
    /// CAP_SYS_ADMIN, which is about the process's own user namespace.
    package var canAdminister = false
    /// CAP_SETUID, CAP_SETGID and CAP_SETFCAP: what maps ids without a program that is set-uid.
    package var canMapIDs = false
    package var gainsNoPrivileges = false
    package var isFiltered = false
    package var maps = IdentityMaps.machine
    /// Whether its user namespace is the machine's, and not one whose ids merely are the same.
    package var isInFirstNamespace = true

    package init(userID: UInt32, groupID: UInt32) {
        self.userID = userID
        self.groupID = groupID
    }

    /// Reads them.
    ///
    /// See proc_pid_status(5).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func current() throws(SystemCallError) -> ProcessFacts {
        var facts = ProcessFacts(userID: geteuid(), groupID: getegid())
        let status = try OpenFile.open("/proc/self/status", .readOnly).readToEnd(limit: 1 << 16)
        for line in String(decoding: status, as: UTF8.self).split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == ":" || $0 == "\t" || $0 == " " })
            guard words.count > 1 else { continue }
            switch words[0] {
            case "CapEff":
                let held = UInt64(words[1], radix: 16) ?? 0
                func has(_ numbers: UInt64...) -> Bool { numbers.allSatisfy { held >> $0 & 1 == 1 } }
                // Numbers of linux/capability.h: SYS_ADMIN; SETGID, SETUID, SETFCAP.
                facts.canAdminister = has(21)
                facts.canMapIDs = has(6, 7, 31)
            case "NoNewPrivs": facts.gainsNoPrivileges = words[1] != "0"
            case "Seccomp": facts.isFiltered = words[1] == "2"
            default: continue
            }
        }
        facts.maps = try IdentityMaps.current()
        facts.isInFirstNamespace =
            try OpenFile.open("/proc/self/ns/user", .readOnly).status().inode == firstUserNamespace
        return facts
    }
}

/// The kernel's number of the user namespace that it starts with (PROC_USER_INIT_INO).
private let firstUserNamespace: UInt64 = 0xefff_fffd

extension UserName {
    /// The user who runs this process.
    ///
    /// See getpwuid_r(3).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func current(_ number: UInt32) -> UserName {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        guard getpwuid_r(number, &entry, &buffer, buffer.count, &found) == 0, found != nil, let name = entry.pw_name
        else { return UserName(name: nil, number: number) }
        return UserName(name: FilePath(platformString: name).bytes, number: number)
    }
}
