internal import Text

/// Who a process of a configuration is, as the files of its root say.
struct ProcessAccount: Sendable {
    let user: ProcessUser
    /// Its supplementary groups.
    let groups: [UInt32]
    /// `NAME=value`, with a home.
    let environment: [[UInt8]]

    init(_ configuration: SandboxConfiguration, _ users: UserDatabase) throws(SandboxError) {
        user = try users.user(configuration.user)
        var groups = [user.groupID] + user.additionalGroups
        for group in configuration.additionalGroups { groups.append(try users.group(group)) }
        // The primary group is among the supplementary ones too, so that dropping it gains nothing (CVE-2022-36109).
        self.groups = groups.removingDuplicates()
        var environment = configuration.environment
        let home = environment.last { $0.starts(with: "HOME=") }
        if home?.elementsEqual("HOME=".utf8) ?? true {
            environment.removeAll { $0.starts(with: "HOME=") }
            environment.append("HOME=" + user.home)
        }
        self.environment = environment
    }

    /// Another user than root starts without capabilities, whatever the bounding set allows programs to gain.
    func held(of capabilities: Set<Capability>) -> Set<Capability> { user.userID == 0 ? capabilities : [] }
}

extension [UInt32] {
    fileprivate func removingDuplicates() -> [UInt32] {
        var seen: Set<UInt32> = []
        return filter { seen.insert($0).inserted }
    }
}
