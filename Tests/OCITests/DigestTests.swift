import OCI
import Testing
import Text

@Suite struct `Digests` {
    /// FIPS 180-2, appendices B, C and D.
    @Test(arguments: [
        (Digest.Algorithm.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            .sha384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163" + "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
        ),
        (
            .sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
    ])
    func `are those of the standard, however the content is cut`(algorithm: Digest.Algorithm, hex: String) {
        for pieces: [[UInt8]] in [["abc"], ["a", "", "bc"]] {
            var digester = Digester(algorithm)
            for piece in pieces { digester.update(piece) }
            #expect(digester.finalize().description == "\(algorithm):\(hex)")
        }
    }

    @Test func `of SHA-256 are had at once, too`() {
        #expect(Digest.sha256(of: "abc").hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(Digest.sha256(of: []).short == "e3b0c44298fc")
    }

    @Test func `of fields tell where one field ends`() {
        func digest(_ fields: [String]) -> Digest {
            var digester = Digester()
            for field in fields { digester.updateField(field) }
            return digester.finalize()
        }
        let lists = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"]]
        #expect(Set(lists.map(digest)).count == lists.count)
    }

    @Test(arguments: [
        "", "sha256", "sha256:", ":abc", "md5:900150983cd24fb0d6963f7d28e17f72",
        "sha256:" + String(repeating: "A", count: 64), "sha256:" + String(repeating: "a", count: 63),
        "sha256:" + String(repeating: "g", count: 64), "sha512:" + String(repeating: "a", count: 64),
        "sha256:../../../../../../../../../../../../../../../../../../../../../etc/pass",
        "SHA256:" + String(repeating: "a", count: 64), "sha256:" + String(repeating: "é", count: 32),
    ])
    func `in another form than the specification's are refused`(text: String) {
        #expect(throws: OCIError.self) { try Digest(parsing: text) }
    }

    @Test func `are written as they are read`() throws {
        for (algorithm, count) in [("sha256", 64), ("sha384", 96), ("sha512", 128)] {
            let text = "\(algorithm):" + String(repeating: "0f", count: count / 2)
            #expect(try Digest(parsing: text).description == text)
        }
        #expect(Digest(sha256: [UInt8](repeating: 0x0f, count: 32))?.hex == String(repeating: "0f", count: 32))
        #expect(Digest(sha256: [UInt8](repeating: 0x0f, count: 31)) == nil)
    }
}
