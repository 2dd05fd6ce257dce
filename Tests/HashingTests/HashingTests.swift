import Hashing
import Testing

/// The answers are those of the standards that name the functions.
@Suite struct `Hashing` {
    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func bytes(_ hex: String) -> [UInt8] {
        stride(from: 0, to: hex.count, by: 2).compactMap { UInt8(hex.dropFirst($0).prefix(2), radix: 16) }
    }

    private static let million = [UInt8](repeating: 0x61, count: 1_000_000)

    /// FIPS 180-4, as its examples give them.
    private static let answers: [(SecureHash.Size, [UInt8], String)] = [
        (.sha256, [], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (.sha256, Array("abc".utf8), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (.sha256, million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        (
            .sha384, Array("abc".utf8),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
        ),
        (
            .sha512, Array("abc".utf8),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            .sha512, million,
            "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
                + "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b"
        ),
    ]

    @Test(arguments: answers.indices) func `gives what the standard says, in one piece or many`(index: Int) {
        let (size, input, answer) = Self.answers[index]
        var whole = SecureHash(size)
        whole.update(input)
        #expect(Self.hex(whole.finalized()) == answer)
        var pieces = SecureHash(size)
        var rest = input[...]
        var length = 1
        while !rest.isEmpty {
            pieces.update(rest.prefix(length))
            rest = rest.dropFirst(length)
            length = length * 3 % 7_919 + 1
        }
        #expect(Self.hex(pieces.finalized()) == answer)
    }

    @Test func `goes on after it was asked, and a copy goes on by itself`() {
        var first = SecureHash()
        first.update(Array("a".utf8))
        _ = first.finalized()
        var copy = first
        copy.update(Array("x".utf8))
        first.update(Array("bc".utf8))
        #expect(Self.hex(first.finalized()) == Self.answers[1].2)
        #expect(copy.finalized() != first.finalized())
    }

    /// RFC 4231, cases 1, 2, 4 and 6.
    @Test(arguments: [
        (
            "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            "0102030405060708090a0b0c0d0e0f10111213141516171819", String(repeating: "cd", count: 50),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
        ),
        (
            String(repeating: "aa", count: 131),
            "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
    ])
    func `makes codes with keys of any length`(key: String, text: String, code: String) {
        #expect(Self.hex(SecureHash.code(of: Self.bytes(text), key: Self.bytes(key))) == code)
    }

    /// RFC 8032, section 7.1, tests 1 and 2.
    @Test(arguments: [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        ),
    ])
    func `makes public keys`(seed: String, key: String) {
        #expect(ed25519PublicKey(of: Self.bytes(seed)).map(Self.hex) == key)
        #expect(ed25519PublicKey(of: Array(Self.bytes(seed).dropLast())) == nil)
    }
}
