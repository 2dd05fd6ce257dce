import Testing
import Text

@testable import RemoteSources

/// What is read of signatures before a program checks them, and what is read of its answer.
@Suite struct `Signatures of sources` {
    private func status(_ lines: String...) -> PGPStatus {
        PGPStatus(Array(lines.map { "[GNUPG:] \($0)\n" }.joined().utf8))
    }

    private let valid = "VALIDSIG 00FF 2020-01-01 1577836800 0 4 0 22 8 00 00FF"

    @Test func `a good signature with a strong hash does`() {
        #expect(status("NEWSIG", "GOODSIG 00FF a", valid).problem(rejectsExpired: true) == nil)
    }

    @Test(arguments: ["EXPKEYSIG 00FF a", "EXPSIG 00FF a"])
    func `an expired key does unless it must be valid still`(line: String) {
        #expect(status(line, valid).problem(rejectsExpired: false) == nil)
        #expect(status(line, valid).problem(rejectsExpired: true) == "key expired")
    }

    @Test(arguments: ["BADSIG 00FF a", "ERRSIG 00FF 22 8 00 1 9", "NODATA 4", "REVKEYSIG 00FF a"])
    func `one signature that does not do spoils the others`(line: String) {
        #expect(status("GOODSIG 00FF a", valid, line).problem(rejectsExpired: false) != nil)
    }

    @Test func `a signature of a hash that can be forged does not do`() {
        let weak = "VALIDSIG 00FF 2020-01-01 1577836800 0 4 0 22 2 00 00FF"
        #expect(status("GOODSIG 00FF a", weak).problem(rejectsExpired: false) == "rejecting weak/unknown hash")
    }

    @Test func `lines of anything but gpgv itself do not count`() {
        let told = PGPStatus(Array("GOODSIG 00FF a\n\(valid)\n".utf8))
        #expect(told.problem(rejectsExpired: false) == "no signature packet found")
        #expect(PGPStatus([]).problem(rejectsExpired: false) == "no signature packet found")
    }

    // MARK: Keys

    @Test func `blocks of PGP keys are read one after the other, without their headers and sums`() throws {
        let text: [UInt8] = """
            a comment
            -----BEGIN PGP PUBLIC KEY BLOCK-----
            Comment: x

            AAEC\r
            Aw==
            =abcd
            -----END PGP PUBLIC KEY BLOCK-----

            -----BEGIN PGP PUBLIC KEY BLOCK-----

            BAU=
            -----END PGP PUBLIC KEY BLOCK-----
            """
        #expect(try PGPArmor.keys(in: text) == [0, 1, 2, 3, 4, 5])
    }

    @Test(arguments: [
        "", "ssh-ed25519 AAAA", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAEC",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!\n-----END PGP PUBLIC KEY BLOCK-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAEC\n-----END PGP PRIVATE KEY BLOCK-----",
    ])
    func `what holds no PGP key is refused`(text: String) {
        #expect(throws: SignatureCheck.Failure.self) { try PGPArmor.keys(in: Array(text.utf8)) }
    }

    @Test func `a key of ssh is the line whose key says the same type`() {
        // The type of the second is `ssh-rsa` within.
        #expect(SSHKeyLine("ssh-ed25519 AAAAB3NzaC1yc2E= x") == nil)
        #expect(SSHKeyLine("# x\nssh-rsa AAAAB3NzaC1yc2E= user@host\n")?.text == "ssh-rsa AAAAB3NzaC1yc2E=")
        #expect(SSHKeyLine("ssh-rsa /////3NzaC1yc2E=") == nil)
        #expect(SSHKeyLine("-----BEGIN PGP PUBLIC KEY BLOCK-----") == nil)
    }

    // MARK: Objects

    @Test func `the signature of a commit is a header of it, and not signed itself`() {
        let commit = SignedObject(
            commit: """
                tree 1
                author a
                gpgsig -----BEGIN PGP SIGNATURE-----
                \u{20}
                 xyz
                 -----END PGP SIGNATURE-----
                encoding x

                gpgsig is a word of the message
                """
        )
        #expect(commit.signature == "-----BEGIN PGP SIGNATURE-----\n\nxyz\n-----END PGP SIGNATURE-----\n")
        #expect(commit.content == "tree 1\nauthor a\nencoding x\n\ngpgsig is a word of the message")
    }

    @Test func `the signature of a tag follows its message`() {
        let tag = SignedObject(tag: "object 1\n\nmessage\n-----BEGIN SSH SIGNATURE-----\nabc\n")
        #expect(tag.content == "object 1\n\nmessage\n")
        #expect(tag.signature == "-----BEGIN SSH SIGNATURE-----\nabc\n")
        #expect(SignedObject(tag: "object 1\n\nmessage\n").signature.isEmpty)
    }

    @Test func `an object without a signature is refused`() async {
        await #expect(throws: SignatureCheck.Failure.self) {
            try await SignedObject(commit: "tree 1\n\nx").verify(SignatureCheck(publicKeys: "x"))
        }
    }
}
