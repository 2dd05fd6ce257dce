import LinuxSystem
import SystemPackage
import Testing
import Text

@Suite struct `The choice of privileges` {
    private let mappers = (FilePath("/usr/bin/newuidmap"), FilePath("/usr/bin/newgidmap"))

    private func facts(_ user: UInt32 = 1000, _ change: (inout ProcessFacts) -> Void = { _ in }) -> ProcessFacts {
        var facts = ProcessFacts(userID: user, groupID: user)
        change(&facts)
        return facts
    }

    private func offer(_ lines: String = "ann:100000:65536\n", _ mapper: PrivilegeObstacle? = nil) -> SubordinateOffer {
        SubordinateOffer(
            user: UserName(name: "ann", number: 1000),
            users: SubordinateIDs(parsing: Array(lines.utf8)),
            groups: SubordinateIDs(parsing: Array(lines.utf8)),
            userMapper: mapper.map { .failure($0) } ?? .success(mappers.0),
            groupMapper: .success(mappers.1)
        )
    }

    private func choice(_ facts: ProcessFacts, maskedProc: FilePath? = nil, _ offer: SubordinateOffer)
        -> PrivilegeChoice
    {
        PrivilegeChoice(facts, maskedProc: maskedProc) { offer }
    }

    private func levels(_ choice: PrivilegeChoice) -> [String] {
        choice.attempts.map { attempt in
            switch attempt {
            case .present(let level): "present \(level)"
            case .namespace(let plan): "\(plan.maps.count) ids"
            case .confined(let isSuperuser): "confined\(isSuperuser ? " root" : "")"
            }
        }
    }

    @Test func `root of the machine is root`() {
        let choice = choice(facts(0) { $0.canAdminister = true }, maskedProc: "/proc/kcore", offer())
        #expect(levels(choice) == ["present root", "confined root"])
        #expect(choice.obstacles.isEmpty)
    }

    @Test func `an ordinary user with subordinate ids gets all of them, and its own alone where that fails`() {
        let choice = choice(facts(), offer())
        #expect(levels(choice) == ["65537 ids", "1 ids", "confined"])
        #expect(choice.obstacles.isEmpty)
    }

    @Test func `root of a user namespace keeps it`() {
        let maps = IdentityMaps(
            users: IdentityMap(root: 1000, others: [100_000...165_535]),
            groups: IdentityMap(root: 1000, others: [100_000...165_535])
        )
        let inside = facts(0) {
            $0.canAdminister = true
            $0.isInFirstNamespace = false
            $0.maps = maps
        }
        #expect(choice(inside, offer()).attempts.first == .present(.userNamespace(maps)))
        // Numbers that are the machine's do not make the machine's root.
        let same = facts(0) {
            $0.canAdminister = true
            $0.isInFirstNamespace = false
        }
        #expect(choice(same, offer()).attempts.first == .present(.userNamespace(.machine)))
    }

    @Test func `root of a container without rights maps all ids that there are, or mounts nothing`() {
        let able = choice(facts(0) { $0.canMapIDs = true }, offer())
        #expect(levels(able) == ["4294967295 ids", "confined root"])
        let unable = choice(facts(0), offer())
        #expect(levels(unable) == ["confined root"])
        #expect(unable.obstacles == [.rootWithoutRights])
    }

    @Test(
        arguments: [
            ("", "ann has no ids in /etc/subuid; give some: usermod --add-subuids 100000-165535 ann"),
            ("bob:100000:65536\n", "ann has no ids in /etc/subuid; give some: usermod --add-subuids 165536-231071 ann"),
            (
                "ann:100000:1000\n",
                "ann has only 1000 ids in /etc/subuid, and images use up to 65535; "
                    + "give some: usermod --add-subuids 101000-166535 ann"
            ),
            (
                "bob:231072:65536\ncleo:4294901760:65535\ndave:165000:10\n",
                "ann has no ids in /etc/subuid; give some: usermod --add-subuids 165010-230545 ann"
            ),
        ]
    )
    func `without enough subordinate ids a user has its own alone, and is told how to get more`(
        lines: String,
        text: String
    ) {
        let choice = choice(facts(), offer(lines))
        #expect(levels(choice) == ["1 ids", "confined"])
        #expect(choice.obstacles.map { "\($0)" } == [text])
    }

    @Test func `a program that maps ids and cannot is named with its remedy`() {
        let choice = choice(facts(), offer("ann:100000:65536\n", .powerlessMapper("/usr/bin/newuidmap")))
        #expect(levels(choice) == ["1 ids", "confined"])
        #expect(
            choice.obstacles.map { "\($0)" } == [
                "/usr/bin/newuidmap has neither its set-uid bit nor its capability; "
                    + "chmod u+s /usr/bin/newuidmap, or install the package uidmap again"
            ]
        )
    }

    @Test func `a process that may gain no privileges maps no more than its own id`() {
        let choice = choice(facts { $0.gainsNoPrivileges = true }, offer())
        #expect(levels(choice) == ["1 ids", "confined"])
        #expect(choice.obstacles == [.noNewPrivileges])
    }

    @Test func `where parts of /proc are covered no user namespace is tried`() {
        let choice = choice(facts(), maskedProc: "/proc/kcore", offer())
        #expect(levels(choice) == ["confined"])
        #expect(choice.obstacles == [.maskedProc("/proc/kcore")])
    }

    @Test func `ids that another user has as well are used, and told of`() {
        let choice = choice(facts(), offer("ann:100000:65536\nbob:165000:65536\n"))
        #expect(levels(choice).first == "65537 ids")
        #expect(choice.obstacles.count == 2)
        #expect(choice.obstacles.allSatisfy { "\($0)".contains("also given to bob") })
    }

    /// Asks about the kernel's settings, which are files of a directory.
    private func ask(
        _ values: [String: String],
        _ question: (KernelSettings) -> PrivilegeObstacle
    ) throws -> String {
        let root = try makeScratchDirectory(in: "/tmp", prefix: "slipway-test-")
        defer { try? removeTree(root) }
        for (name, value) in values {
            let path = root.pushing(FilePath(name.split(separator: ".").joined(separator: "/")))
            try HostFiles.createDirectories(path.removingLastComponent())
            try HostFiles.write(Array("\(value)\n".utf8), to: path)
        }
        return "\(question(KernelSettings(directory: root)))"
    }

    private static let appArmor = "kernel.apparmor_restrict_unprivileged_userns"

    @Test(
        arguments: [
            (["user.max_user_namespaces": "0"], "allow it: sysctl -w user.max_user_namespaces=28633"),
            (["kernel.unprivileged_userns_clone": "0"], "allow it: sysctl -w kernel.unprivileged_userns_clone=1"),
            (
                ["user.max_user_namespaces": "15000", appArmor: "1"],
                "allow it: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
            ), ([appArmor: "0"], "see user_namespaces(7)"),
        ]
    )
    func `a kernel that makes no namespaces is told by its settings`(values: [String: String], remedy: String) throws {
        let error = SystemCallError("unshare", errno: .notPermitted)
        let text = try ask(values) { .noUserNamespaces($0.refusal(error, isFiltered: false)) }
        #expect(text.hasSuffix("; \(remedy)"))
    }

    @Test func `a namespace without rights is AppArmor's where the kernel has its setting, as Ubuntu 24.04`() throws {
        let error = SystemCallError("unshare", errno: .permissionDenied)
        let plain = try ask([:]) { $0.powerlessness(error) }
        #expect(plain.contains("has no rights here (unshare: permission denied); look for what restricts"))
        let restricted = try ask([Self.appArmor: "1"]) { $0.powerlessness(error) }
        #expect(restricted.contains("no rights here, as AppArmor has it (unshare: permission denied); allow it:"))
        #expect(restricted.contains("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor"))
    }
}
