import Proofs
import Sandboxes
import Testing
import Text

@Suite struct `The users of a root file system` {
    private let database = UserDatabase(
        passwd: Array(
            """
            root:x:0:0:root:/root:/bin/sh
            broken
            app:x:1000:1001:App:/home/app:/bin/sh
            1234:x:5:6::/five:
            nohome:x:7:8
            keep:x:4294967295:4294967295::/:/bin/sh
            """.utf8
        ),
        group: Array(
            """
            root:x:0:
            app:x:1001:
            audio:x:29:app,other
            video:x:44:other,app
            99:x:77:
            """.utf8
        )
    )

    private func user(_ text: String) throws -> ProcessUser { try database.user(Array(text.utf8)) }

    @Test func `an empty name is root, with root's home`() throws {
        #expect(try user("") == ProcessUser(userID: 0, groupID: 0, home: "/root"))
    }

    @Test func `a user has the primary group of its line and the groups that list it`() throws {
        let expected = ProcessUser(
            userID: 1000,
            groupID: 1001,
            additionalGroups: [29, 44],
            home: "/home/app"
        )
        #expect(try user("app") == expected)
        #expect(try user("1000") == expected)
    }

    @Test func `a group given explicitly is the only one`() throws {
        #expect(try user("app:video") == ProcessUser(userID: 1000, groupID: 44, home: "/home/app"))
        #expect(try user("app:5").groupID == 5)
        #expect(try user("app:").additionalGroups == [29, 44])
    }

    @Test func `a number without a line is taken as it is`() throws {
        #expect(try user("4321:8765") == ProcessUser(userID: 4321, groupID: 8765))
        #expect(try user("4321") == ProcessUser(userID: 4321, groupID: 0))
    }

    @Test(.proves("C12: users and groups given as")) func `a number is a number, also where a line has it as its name`()
        throws
    {
        #expect(try user("1234") == ProcessUser(userID: 1234, groupID: 0))
        #expect(try user("0:99").groupID == 99)
        #expect(try user("5") == ProcessUser(userID: 5, groupID: 6, home: "/five"))
    }

    @Test func `unknown names and numbers out of range are refused`() throws {
        #expect(throws: SandboxError.userNotFound("nobody")) { try user("nobody") }
        #expect(throws: SandboxError.groupNotFound("wheel")) { try user("app:wheel") }
        #expect(throws: SandboxError.userOutOfRange("2147483648")) { try user("2147483648") }
        #expect(throws: SandboxError.userOutOfRange("-1")) { try user("-1") }
        // To setuid(2) this means "as before", which is root.
        #expect(throws: SandboxError.userNotFound("keep")) { try user("keep") }
        #expect(
            SandboxError.userNotFound("nobody").description
                == "unable to find user nobody: no matching entries in passwd file"
        )
    }
}
