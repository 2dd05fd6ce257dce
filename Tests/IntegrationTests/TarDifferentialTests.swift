import Archive
import Foundation
import LinuxSystem
import OCI
import SystemPackage
import Testing

/// A7: what a tar archive holds is what GNU tar and Python's tarfile see in it, or it is refused.
@Suite(.requires(.program("python3"), .program("tar")))
struct `Archives that readers understand differently` {
    /// What somebody sees in an archive; nil where they refuse it.
    private struct Views: Decodable {
        let name: String
        /// Whether it is in order, so that everybody must take it.
        let isGood: Bool
        let python: [[String]]?
        let gnu: [String]?
    }

    /// The members of an archive: name, kind, size, mode, owner, link and digest of the content.
    private func members(_ file: FilePath) async throws -> [[String]] {
        try await onBlockingPool {
            let reader = TarReader(FileSource(try OpenFile.open(file, .readOnly)))
            var members: [[String]] = []
            while let entry = try reader.next() {
                var content = [UInt8](repeating: 0, count: Int(entry.size))
                while let piece = try reader.nextContent() {
                    content.replaceSubrange(
                        Int(piece.offset)..<Int(piece.offset) + piece.bytes.count,
                        with: piece.bytes
                    )
                }
                let (kind, link) = Self.shown(entry.kind)
                members.append([
                    Self.hexadecimal(entry.path), kind, "\(entry.size)", String(entry.mode, radix: 8),
                    "\(entry.userID):\(entry.groupID)", Self.hexadecimal(link), Digest.sha256(of: content).hex,
                ])
            }
            return members
        }
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// A name in hexadecimal digits without the slashes at its end, which not everybody shows.
    private static func bare(_ name: String) -> String {
        var rest = Substring(name)
        while rest.hasSuffix("2f"), rest.count % 2 == 0, rest.count > 2 { rest = rest.dropLast(2) }
        return String(rest)
    }

    private static func shown(_ kind: TarEntry.Kind) -> (String, [UInt8]) {
        switch kind {
        case .regular: ("file", [])
        case .directory: ("directory", [])
        case .symbolicLink(let target): ("symlink", target)
        case .hardLink(let target): ("hardlink", target)
        case .characterDevice, .blockDevice: ("device", [])
        case .fifo: ("fifo", [])
        }
    }

    @Test func `hold what GNU tar and Python see, or are refused`() async throws {
        let scratch = try TemporaryDirectory()
        try scratch.write(Self.script, to: "make.py")
        let made = try await runProgram("python3", [scratch.path + "/make.py"], in: scratch.url)
        try #require(made.status == 0, "\(made.errorText)")
        let data = try Data(contentsOf: scratch.url.appending(path: "views.json"))
        let all = try JSONDecoder().decode([Views].self, from: data)
        #expect(all.count >= 300)
        var taken = 0
        for (number, views) in all.enumerated() {
            let ours: [[String]]
            do {
                ours = try await members(FilePath(scratch.path + "/\(number).tar"))
            } catch let error as ArchiveError {
                #expect(!views.isGood, "\(views.name) is refused: \(error)")
                continue
            }
            taken += 1
            // Nobody may be shown what GNU tar does not see.
            if let gnu = views.gnu {
                #expect(
                    ours.map { Self.bare($0[0]) } == gnu.map(Self.bare),
                    "\(views.name): names as GNU tar sees them"
                )
            }
            if let python = views.python {
                let mine = ours.map { [Self.bare($0[0])] + $0.dropFirst() }
                // Python lists an empty file without a name, too; nobody can make anything of it.
                let theirs = python.filter { $0[0] != "" || $0[1] != "file" || $0[2] != "0" }
                    .map { [Self.bare($0[0])] + $0.dropFirst() }
                #expect(mine == theirs, "\(views.name): members as Python sees them")
            }
            // Go and we take a last member whose content is there and whose padding is not.
            let isUnpadded = ["cut at 515", "cut at 900", "cut at 1023"].contains(views.name)
            let isTaken = views.gnu != nil || views.python != nil || isUnpadded
            #expect(isTaken || ours.isEmpty, "\(views.name): only we take it")
        }
        #expect(taken >= 60)
    }

    /// Writes `N.tar` for every vector, and what others see in it.
    private static let script = #"""
        import copy, hashlib, io, json, random, subprocess, tarfile
        random.seed(7)
        BLOCK = 512

        def checksum(block):
            block = bytearray(block)
            block[148:156] = b" " * 8
            block[148:156] = b"%06o\0 " % sum(block)
            return bytes(block)

        def header(name=b"a", size=0, kind=b"0", link=b"", mode=0o644, uid=0, gid=0, magic=b"ustar\0" + b"00", prefix=b"",
                   fields=()):
            block = bytearray(512)
            block[0:len(name)] = name
            block[100:108] = b"%07o\0" % mode
            block[108:116] = b"%07o\0" % uid
            block[116:124] = b"%07o\0" % gid
            block[124:136] = b"%011o\0" % size
            block[136:148] = b"%011o\0" % 1700000000
            block[156:157] = kind
            block[157:157 + len(link)] = link
            block[257:265] = magic
            block[345:345 + len(prefix)] = prefix
            for start, value in fields:
                block[start:start + len(value)] = value
            return checksum(block)

        def padded(content):
            return content + b"\0" * (-len(content) % BLOCK)

        def record(key, value):
            size = len(key) + len(value) + 3
            total = size
            while len(str(total)) + size != total:
                total = len(str(total)) + size
            return str(total).encode() + b" " + key + b"=" + value + b"\n"

        def pax(*pairs, kind=b"x", name=b"x"):
            content = b"".join(record(key, value) for key, value in pairs)
            return header(name, len(content), kind) + padded(content)

        def long(kind, text):
            return header(b"././@LongLink", len(text), kind, magic=b"ustar  \0") + padded(text)

        END = b"\0" * 1024
        A = header(b"a", 3) + padded(b"abc")
        B = header(b"b", 600) + padded(b"b" * 600)
        vectors = []

        def add(name, archive, good=False):
            vectors.append((name, archive, good))

        # In order.
        add("two files", A + B + END, True)
        add("no end", A + B, True)
        add("one block of zeros", A + b"\0" * 512, True)
        add("data after the end", A + END + B, True)
        add("directory", header(b"d/", kind=b"5", mode=0o755) + END, True)
        add("links", A + header(b"l", kind=b"2", link=b"../x") + header(b"h", kind=b"1", link=b"a") + END, True)
        add("fifo", header(b"p", kind=b"6") + END, True)
        add("prefix", header(b"name", 3, prefix=b"some/where") + padded(b"abc") + END, True)
        add("old v7", header(b"a", 3, kind=b"\0", magic=b"\0" * 8) + padded(b"abc") + END, True)
        add("pax path", pax((b"path", b"renamed/\xc3\xa9")) + A + B + END, True)
        add("pax size", pax((b"size", b"600")) + header(b"b", 600) + padded(b"b" * 600) + A + END, True)
        add("pax size of a header of zero", pax((b"size", b"3")) + header(b"a", 0) + padded(b"abc") + B + END, True)
        add("pax link", pax((b"linkpath", b"long/" * 40)) + header(b"l", kind=b"2", link=b"short") + END, True)
        add("pax owner", pax((b"uid", b"3000000"), (b"gid", b"4000000")) + A + END, True)
        add("pax global comment", pax((b"comment", b"hello"), kind=b"g") + A + END, True)
        add("gnu long name", long(b"L", b"n" * 300 + b"\0") + A + B + END, True)
        add("gnu long link", long(b"K", b"t" * 300 + b"\0") + header(b"l", kind=b"2", link=b"t") + END, True)
        add("base 256 size", header(b"a", fields=[(124, b"\x80" + b"\0" * 10 + b"\x03")]) + padded(b"abc") + END, True)
        add("base 256 owner", header(b"a", fields=[(108, b"\x80\0\0\0\0\x2d\xc6\xc0")]) + END, True)
        add("spaces around numbers", header(b"a", 0, fields=[(100, b"   644 \0"), (124, b"         3 \0")]) + padded(b"abc") + END, True)
        add("names that are no text", header(b"\xff\xfe", 3) + padded(b"abc") + header(b"a/\xcc\x81x", 0) + END, True)
        add("newline in a name", pax((b"path", b"a\nb")) + A + END, True)
        for form in (tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w", format=form) as tar:
                for number in range(12):
                    entry = tarfile.TarInfo("d%d/f" % number + "x" * (number * 7) + "/y" * (number % 3))
                    entry.size, entry.mode, entry.uid = number * 100, 0o600 + number, number * 1000
                    tar.addfile(entry, io.BytesIO(bytes([number]) * entry.size))
            add("tarfile's format %d" % form, out.getvalue(), True)

        # Of doubtful meaning.
        pieces = {
            "pax": pax((b"path", b"p")), "pax size 3": pax((b"size", b"3")), "pax size 600": pax((b"size", b"600")),
            "global path": pax((b"path", b"g"), kind=b"g"), "global size": pax((b"size", b"3"), kind=b"g"),
            "long": long(b"L", b"l\0"), "long link": long(b"K", b"k\0"), "long without NUL": long(b"L", b"l"),
            "a": A, "b": B, "link": header(b"l", kind=b"2", link=b"x"), "zeros": b"\0" * 512,
            "pax path twice": pax((b"path", b"p"), (b"path", b"q")), "pax NUL": pax((b"path", b"p\0q")),
            "pax empty path": pax((b"path", b"")), "contiguous": header(b"c", 3, kind=b"7") + padded(b"abc"),
            "solaris": header(b"s", 0, kind=b"X"), "volume": header(b"v", 0, kind=b"V"), "multi": header(b"m", 3, kind=b"M") + padded(b"abc"),
            "dump": header(b"d", 0, kind=b"D"), "directory with size": header(b"d/", 512, kind=b"5") + padded(b"x"),
            "hard link with size": header(b"h", 3, kind=b"1", link=b"a") + padded(b"abc"),
            "slash file": header(b"sl/", 3) + padded(b"abc"), "empty name": header(b"", 0),
        }
        names = sorted(pieces)
        for first in names:
            add(first + ", end", pieces[first] + END)
            add(first + ", a, b", pieces[first] + A + B + END)
        for _ in range(120):
            chosen = [random.choice(names) for _ in range(random.randint(2, 5))]
            add(", ".join(chosen), b"".join(pieces[name] for name in chosen) + (END if random.random() < 0.8 else b""))
        numbers = [b"00000000003", b"00000000003 ", b" 3          ", b"3\0xxxxxxxxxx", b"0x3", b"-3", b"+3", b"3 4", b"\0" * 12,
                   b" " * 12, b"00000000008", b"\xff" * 12, b"\x80" + b"\x7f" * 11, b"\xff" * 11 + b"\xfd", b"77777777777", b"1e3"]
        for value in numbers:
            for start, width in ((124, 12), (100, 8), (108, 8), (136, 12)):
                field = value[:width].ljust(width, b"\0")
                add("%r at %d" % (field, start), header(b"n", 3, fields=[(start, field)]) + padded(b"abc") + A + END)
        for value in (b"3", b"03", b" 3", b"3 ", b"+3", b"-1", b"0x3", b"3.0", b"1e1", b"", b"9" * 30):
            for key in (b"size", b"uid", b"mtime"):
                add("pax %r=%r" % (key, value), pax((key, value)) + header(b"n", 3) + padded(b"abc") + A + END)
        for broken in (b"5 a=b\n", b"0 a=b\n", b"-6 a=b\n", b"6 ab\n\n", b"6 a=b", b"99 a=b\n", b"6 a=b\n\0\0\0", b"06 a=b\n", b" 6 a=b\n", b"6  =b\n"):
            add("record %r" % broken, header(b"x", len(broken), b"x") + padded(broken) + A + END)
        whole = A + B + END
        for cut in (1, 100, 511, 512, 513, 515, 900, 1023, 1024, 1025, 1500, 1536, 1537, 2047, 2600):
            add("cut at %d" % cut, whole[:cut])
        base = pax((b"path", b"renamed")) + A + B + END
        for _ in range(150):
            damaged = bytearray(base)
            position = random.randrange(0, 4 * 512)
            damaged[position] = random.randrange(256)
            start = position // 512 * 512
            if random.random() < 0.8 and damaged[start:start + 512] != b"\0" * 512:
                damaged[start:start + 512] = checksum(damaged[start:start + 512])
            add("byte %d is %d" % (position, damaged[position]), bytes(damaged))

        KINDS = {tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.CONTTYPE: "file", tarfile.GNUTYPE_SPARSE: "file",
                 tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink",
                 tarfile.CHRTYPE: "device", tarfile.BLKTYPE: "device", tarfile.FIFOTYPE: "fifo"}

        def python(archive):
            def octets(text):
                return text.encode("utf-8", "surrogateescape")
            try:
                seen = []
                with tarfile.open(fileobj=io.BytesIO(archive), errorlevel=2) as tar:
                    for entry in tar:
                        if entry.type not in KINDS or entry.size < 0:
                            return None
                        content = tar.extractfile(entry).read() if entry.isreg() else b""
                        if len(content) != entry.size and entry.isreg():
                            return None
                        link = octets(entry.linkname) if entry.type in (tarfile.SYMTYPE, tarfile.LNKTYPE) else b""
                        # Python drops the slash at the end of a directory's name.
                        name = octets(entry.name) + (b"/" if entry.isdir() else b"")
                        size = entry.size if entry.isreg() else 0
                        seen.append([name.hex(), KINDS[entry.type], str(size), "%o" % (entry.mode & 0o7777),
                                     "%d:%d" % (entry.uid, entry.gid), link.hex(), hashlib.sha256(content).hexdigest()])
                return seen
            except Exception:
                return None

        def gnu(path):
            ran = subprocess.run(["tar", "--quoting-style=c", "-P", "-tf", path], capture_output=True)
            if ran.returncode != 0 or ran.stderr:
                return None
            names = []
            for line in ran.stdout.split(b"\n")[:-1]:
                text = line[1:-1].decode("latin-1").encode("latin-1").decode("unicode_escape").encode("latin-1")
                names.append(text.hex())
            return names

        views = []
        for number, (name, archive, good) in enumerate(vectors):
            path = "%d.tar" % number
            with open(path, "wb") as file:
                file.write(archive)
            views.append({"name": name, "isGood": good, "python": python(archive), "gnu": gnu(path)})
        json.dump(views, open("views.json", "w"))
        """#
}
