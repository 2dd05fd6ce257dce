import BuildKitProto
import Foundation
import LLB
import RPC
import RPCFakes
import SwiftProtobuf
import Testing

/// What builds of the daemon take from servers.
@Suite(.requires(.root, .program("python3")))
struct `Sources of a daemon's builds` {
    private let slipway: Slipway
    private let scratch: TemporaryDirectory

    init() throws { (slipway, scratch) = try Slipway.isolated() }

    /// Makes what sources give, one after the other, and says of each why that failed; nil where it did not.
    private func failures(_ sources: [LLB.Output]) async throws -> [String?] {
        var failures: [String?] = []
        try await withDaemon(slipway, scratch) { address in
            try await withConnection(to: address) { connection in
                for (number, source) in sources.enumerated() {
                    let question = try Moby_Buildkit_V1_SolveRequest.with {
                        $0.ref = "build-\(number)"
                        $0.definition = try Definition(target: source).message()
                    }
                    do {
                        let _: Moby_Buildkit_V1_SolveResponse = try await connection.unary(
                            "moby.buildkit.v1.Control",
                            "Solve",
                            question
                        )
                        failures.append(nil)
                    } catch let failure as RPCFailure {
                        failures.append(failure.message)
                    }
                }
            }
        }
        return failures
    }

    @Test func `a file that is known already is asked for by its head, in the name of BuildKit`() async throws {
        let server = try await WebServer.start()
        try server.put("content", at: "file")
        let source = try LLB.Output.http(HTTPSource(url: Array("\(server.address)/file".utf8)))
        #expect(try await failures([source, source]) == [nil, nil])
        let requests = try server.requests()
        #expect(requests.first?.method == "GET")
        #expect(requests.allSatisfy { $0.header("User-Agent")?.hasPrefix("buildkit/v") ?? false })
    }

    @Test(.requires(.program("gpgv"))) func `a file must be signed by a key that its source names`() async throws {
        let server = try await WebServer.start()
        try server.put("content\n", at: "file")
        func source(_ signature: String, _ keys: String...) throws -> LLB.Output {
            var source = HTTPSource(url: Array("\(server.address)/file".utf8))
            source.signature = HTTPSource.Signature(Array(signature.utf8), by: Array(keys.joined(separator: "\n").utf8))
            return try LLB.Output.http(source)
        }
        let failures = try await failures([
            source(Self.makersSignature, Self.maker), source(Self.makersSignature, Self.other),
            source(Self.makersSignature, Self.other, Self.maker), source(Self.formersSignature, Self.former),
            source(Self.formersSignature, Self.maker),
        ])
        #expect(failures.map { $0 == nil } == [true, false, true, true, false])
        #expect(failures[1]?.contains("failed to verify pgp signature") == true)
    }

    @Test(.requires(.program("git"), .program("ssh-keygen")))
    func `a commit must be signed by the key that its source names`() async throws {
        let git = try await GitFixture()
        try await git.run(
            """
            for name in own other; do ssh-keygen -q -t ed25519 -N '' -f $name; done
            git init -q -b main work && cd work
            git config gpg.format ssh && git config user.signingkey "$PWD/../own"
            echo one > file && git add . && git commit -qm plain && git branch plain
            git commit -q --allow-empty -S -m signed && git tag -am unsigned v1
            cd .. && git clone -q --bare work a.git
            """
        )
        func source(_ reference: String, _ key: String, _ change: (inout GitSource.Signing) -> Void = { _ in }) throws
            -> LLB.Output
        {
            let remote = try #require(GitRemote(parsing: Array(git.address("a.git").utf8)))
            var source = GitSource(remote: remote)
            source.reference = Array(reference.utf8)
            let text = try Data(contentsOf: git.server.directory.appending(path: "\(key).pub"))
            var signing = GitSource.Signing(publicKeys: Array(text))
            change(&signing)
            source.signing = signing
            return try LLB.Output.git(source)
        }
        let failures = try await failures([
            source("main", "own"), source("main", "other"), source("plain", "own"), source("v1", "own"),
            source("v1", "own") { $0.requiresSignedTag = true },
        ])
        #expect(failures[0] == nil && failures[3] == nil)
        #expect(failures[1]?.contains("failed to verify ssh signature") == true)
        #expect(failures[2]?.contains("git object is not signed") == true)
        #expect(failures[4]?.contains("git object is not signed") == true)
    }
}

// Made by gpg for this test; the last key was valid for a year from 2020 on.
extension `Sources of a daemon's builds` {
    private static let maker = """
        -----BEGIN PGP PUBLIC KEY BLOCK-----

        mDMEXgvhABYJKwYBBAHaRw8BAQdAgS2QgRq4fQPPrtaSQsTDIb94f9SSfb2I/CVC
        dPxDASO0GU1ha2VyIDxtYWtlckBleGFtcGxlLm9yZz6IkAQTFggAOBYhBJ6A+KIH
        60OR0kjQrsJQ/xuXPxhxBQJeC+EAAhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheA
        AAoJEMJQ/xuXPxhxyGkBAKikhkgG7ioOZw7nTHdns8HPsvV8u/7MzMAs5b6oByk+
        AQC1uJBvfr6qVJcQXFkL9wIQE4MR32vgTMUqw/hz3Cy5Dg==
        =/QSN
        -----END PGP PUBLIC KEY BLOCK-----
        """
    private static let other = """
        -----BEGIN PGP PUBLIC KEY BLOCK-----

        mDMEXgvhABYJKwYBBAHaRw8BAQdAhhlbkOw+AKktd0KHPvf+yOCps3osgqSXe2gv
        OjhrIYm0GU90aGVyIDxvdGhlckBleGFtcGxlLm9yZz6IkAQTFggAOBYhBGBedUpV
        +OJZdY8N0WlMWnkoxuhtBQJeC+EAAhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheA
        AAoJEGlMWnkoxuhtAYoBAJpVWoyunnk2l9b0/IWrtllzrY5LGAkUbYgS17RlXjzt
        AQDNvVY2UOFsLv3KRM7VLjDvMcZT3dkcfpgFotG244wiBQ==
        =0zkv
        -----END PGP PUBLIC KEY BLOCK-----
        """
    private static let former = """
        -----BEGIN PGP PUBLIC KEY BLOCK-----

        mDMEXgvhABYJKwYBBAHaRw8BAQdABjYifkZM6/dWYZu4covN0zBYbJMRgm8HlutL
        aD35A0q0G0Zvcm1lciA8Zm9ybWVyQGV4YW1wbGUub3JnPoiWBBMWCAA+FiEETFjs
        W745Blhmg7D/nUEcWOm638EFAl4L4QACGwMFCQHhM4AFCwkIBwIGFQoJCAsCBBYC
        AwECHgECF4AACgkQnUEcWOm638HF6AD/W7SVkuplm3XlDRBT4ubNy+7/HVuxbNDt
        fGnnsKdPn5kBAOCwpnWynUE49m8bJIGVeH7r4+2wyEV/wDtUg0p5sWID
        =I8Nz
        -----END PGP PUBLIC KEY BLOCK-----
        """
    private static let makersSignature = """
        -----BEGIN PGP SIGNATURE-----

        iIgEABYIADAWIQSegPiiB+tDkdJI0K7CUP8blz8YcQUCXgvhABIcbWFrZXJAZXhh
        bXBsZS5vcmcACgkQwlD/G5c/GHGW8AD9H8PV/iwSQrYo3mHlgkw72KSAQUcL1nWJ
        HQ4RtEdT4ugA/322rvcv1BDmRNOQNFTEATQf+m+oKa1aZUuJUv8Mr9AH
        =dglr
        -----END PGP SIGNATURE-----
        """
    private static let formersSignature = """
        -----BEGIN PGP SIGNATURE-----

        iIkEABYIADEWIQRMWOxbvjkGWGaDsP+dQRxY6brfwQUCXgvhABMcZm9ybWVyQGV4
        YW1wbGUub3JnAAoJEJ1BHFjput/Bh4gBALDzx3xmXOqBn4uHljN5x0yy+AtwLhxV
        gJJp8ZUwMibHAP0bfN2Nem/4A6lSUoRwy0bSCmpsOPii4TlKDlzUeER5Aw==
        =V8fQ
        -----END PGP SIGNATURE-----
        """
}
