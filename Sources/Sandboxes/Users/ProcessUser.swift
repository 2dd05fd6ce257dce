import Text

/// Who a process in a sandbox is.
package struct ProcessUser: Sendable, Hashable {
    package var userID: UInt32
    package var groupID: UInt32
    /// Supplementary groups, in the order of the group file.
    package var additionalGroups: [UInt32]
    /// From the passwd file; `/` for a user it does not have.
    package var home: [UInt8]

    package init(userID: UInt32, groupID: UInt32, additionalGroups: [UInt32] = [], home: [UInt8] = [0x2f]) {
        self.userID = userID
        self.groupID = groupID
        self.additionalGroups = additionalGroups
        self.home = home
    }

    package static let root = ProcessUser(userID: 0, groupID: 0, home: "/root")
}
