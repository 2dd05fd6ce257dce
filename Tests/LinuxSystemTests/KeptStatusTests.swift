import LinuxSystem
import Testing

@Suite struct `What the kernel refuses to make of files` {
    @Test(arguments: [
        ("0:0", KeptStatus(userID: 0, groupID: 0)),
        ("1000:4294967294", KeptStatus(userID: 1000, groupID: 4_294_967_294)),
        ("0:5:c:5:1", KeptStatus(userID: 0, groupID: 5, device: SpecialFile(.characterDevice, major: 5, minor: 1))),
        ("0:6:b:8:0", KeptStatus(userID: 0, groupID: 6, device: SpecialFile(.blockDevice, major: 8, minor: 0))),
        ("33:44:4111", KeptStatus(userID: 33, groupID: 44, mode: 0o4111)),
        ("0:0:0", KeptStatus(userID: 0, groupID: 0, mode: 0)),
        (
            "0:6:b:8:0:22",
            KeptStatus(userID: 0, groupID: 6, device: SpecialFile(.blockDevice, major: 8, minor: 0), mode: 0o22)
        ),
    ]) func `are written as they are read`(text: String, owner: KeptStatus) {
        #expect(KeptStatus(parsing: Array(text.utf8)) == owner)
        #expect(String(decoding: owner.bytes, as: UTF8.self) == text)
    }

    @Test(arguments: [
        "", "1", "1:", ":1", "1:2:", "1:2:8", "1:2:10000", "1:2:-1", "-1:0", "+1:0", "1:4294967296", "0:0:x:1:2",
        "0:0:c:1", "0:0:c:1:2:9", "0:0:c:1:2:",
        "0:0:c:1:2:3:4",
    ])
    func `are nothing where the text has another form`(text: String) {
        #expect(KeptStatus(parsing: Array(text.utf8)) == nil)
    }

    @Test func `of a directory's links are found by name, whatever bytes it has`() {
        var entries = KeptEntries(parsing: [])
        let name: [UInt8] = [0x61, 0x3a, 0xff, 0x0a]
        entries[name] = KeptStatus(userID: 1, groupID: 2)
        entries[[0x62]] = KeptStatus(userID: 3, groupID: 4)
        let read = KeptEntries(parsing: entries.bytes)
        #expect(read[name] == KeptStatus(userID: 1, groupID: 2))
        #expect(read[[0x62]] == KeptStatus(userID: 3, groupID: 4))
        #expect(read[[0x61]] == nil)
    }

    @Test func `of a directory's links are replaced and forgotten`() {
        var entries = KeptEntries(parsing: Array("1:2:a\u{0}".utf8))
        entries[[0x61]] = KeptStatus(userID: 5, groupID: 6)
        #expect(entries.bytes == Array("5:6:a\u{0}".utf8))
        entries[[0x61]] = nil
        #expect(entries.isEmpty)
        #expect(entries.bytes == [])
    }
}
