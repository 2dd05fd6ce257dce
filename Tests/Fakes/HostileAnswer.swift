internal import Text

/// Numbers that look random and are the same for a seed.
package struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    package init(_ seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    package mutating func isOne(in count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
    package mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &self)]
    }
}

/// What a server sends that was written to break clients: HTTP, more or less.
package struct HostileAnswer {
    package private(set) var bytes: [UInt8] = []
    /// Whether the connection stays open after it.
    package let staysOpen: Bool
    private var numbers: SeededNumbers

    /// An answer that random numbers make.
    /// - Parameters:
    ///   - numbers: decide everything.
    ///   - host: where the server is.
    ///   - path: what was asked for.
    ///   - content: what a right answer has in its body.
    private init(_ numbers: SeededNumbers, host: String, path: String, content: [UInt8]) {
        self.numbers = numbers
        staysOpen = self.numbers.isOne(in: 200)
        if self.numbers.isOne(in: 4) { addInterimAnswers() }
        let isWhole = self.numbers.isOne(in: 3)
        bytes +=
            (isWhole ? "HTTP/1.1 \(self.numbers.pick(["200", "201", "202", "206"])) OK" : statusLine()).utf8
            + Self.lineEnd
        addHeaders(host, path)
        addBody(isWhole || self.numbers.isOne(in: 2) ? content : noise(), isWhole: isWhole)
        if self.numbers.isOne(in: 3) { spoil() }
    }

    /// The answer to a request's head: another to each request that follows the first, and again the same for the same.
    ///
    /// The largest number in the path is the seed.
    package init(to head: String, content: (_ path: String) -> [UInt8]) {
        let target = head.split(separator: " ").dropFirst().first.map(String.init) ?? "/"
        let path = String(target.prefix { $0 != "?" })
        let seed = path.split { !$0.isNumber }.compactMap { UInt64($0) }.max() ?? 0
        var numbers = SeededNumbers(seed)
        for byte in head.prefix(while: { $0 != "\r" }).utf8 { numbers = SeededNumbers(numbers.next() ^ UInt64(byte)) }
        self.init(numbers, host: Self.host(in: head), path: path, content: content(path))
    }

    /// What a request says that the server is called.
    private static func host(in head: String) -> String {
        let line = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("host:") }
        return line.map { $0.dropFirst(5).trimmingPrefix(" ") }.map(String.init) ?? ""
    }

    private static let lineEnd: [UInt8] = [0x0d, 0x0a]

    private mutating func statusLine() -> String {
        let version = numbers.pick(
            ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.9", "ICY", ""]
        )
        let status = numbers.pick([
            "000", "001", "042", "099", "100", "101", "103", "199", "200", "201", "202", "204", "206", "299", "300",
            "301",
            "302", "304", "307", "400", "401", "401", "403", "404", "407", "416", "429", "500", "503", "600", "999",
            "1000",
            "20", "-20", "2 0", "",
        ])
        return version + " " + status
            + numbers.pick([" OK", "", " ", " " + String(repeating: "x", count: 9000), " \u{1b}[2J"])
    }

    private mutating func addInterimAnswers() {
        for _ in 0..<numbers.pick([1, 2, 5, 33, 400]) {
            let status = numbers.pick(["100", "102", "103", "103", "150", "199"])
            bytes += "HTTP/1.1 \(status) Wait\r\nLink: </x>\r\n\r\n"
        }
    }

    private mutating func addHeaders(_ host: String, _ path: String) {
        let number = numbers.pick([
            "-1", "0", "1", "99999999999999999999", "9223372036854775807", "0x5", "5, 5", "", "1e3",
        ])
        let choices: [(String, String)] = [
            ("Content-Type", "application/vnd.oci.image.manifest.v1+json"), ("Content-Type", "text/html; \u{fffd}"),
            ("Docker-Content-Digest", "sha256:" + number), ("Docker-Content-Digest", ":"), ("Retry-After", number),
            ("Content-Range", "bytes \(number)-\(number)/\(number)"), ("Range", "\(number)-\(number)"),
            ("Range", "0-9223372036854775807"), ("Location", path), ("Location", "http://\(host)\(path)"),
            ("Location", "//"),
            ("Location", "http://[::1"), ("Location", "?" + number),
            ("Location", String(repeating: "/..", count: 4000)),
            ("WWW-Authenticate", "Bearer realm=\"http://\(host)\(path)\",service=\"\",scope=\"\(number)\""),
            ("WWW-Authenticate", "Basic realm=\"x"), ("WWW-Authenticate", "Bearer realm=\\\",,,=,\"\\"),
            ("Link", "<\(path)?n=\(number)>; rel=\"next\""), ("Link", "<"), ("Upgrade", "h2c"),
            ("Connection", "upgrade"),
            ("Connection", "close"), ("Content-Encoding", "gzip"), ("OCI-Chunk-Min-Length", number), ("", "no name"),
            ("X-\u{0}", "zero"), ("X Y", "space"), ("Date", "Sun, 99 Foo \(number)"), ("Last-Modified", "\(number)"),
            ("X-Long", String(repeating: "y", count: 100_000)),
            ("Content-Disposition", "attachment; filename=\"../\(number)"),
        ]
        for _ in 0..<numbers.pick([0, 1, 2, 3, 3, 5, 300]) {
            let (name, value) = numbers.pick(choices)
            bytes += "\(name):\(numbers.pick([" ", "", "\t "]))\(value)\r\n".utf8
        }
    }

    private mutating func noise() -> [UInt8] {
        let texts = [
            "", "{", "[]", #"{"token":7}"#, #"{"token":"t","expires_in":-9223372036854775808}"#,
            #"{"errors":[{"code":7,"message":{}}]}"#, String(repeating: "[", count: 5000),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "\0\0\u{12}\u{4}\0\0\0\0\0", #"{"schemaVersion":2,"manifests":[{"size":-1}]}"#, "HTTP/1.1 200 OK\r\n\r\n",
        ]
        return Array(numbers.pick(texts).utf8)
    }

    private mutating func addBody(_ body: [UInt8], isWhole: Bool) {
        if isWhole || numbers.isOne(in: 2) {
            let length =
                isWhole
                ? "\(body.count)"
                : numbers.pick(["\(body.count)", "\(body.count + 1)", "0", "-5", "9223372036854775808"])
            bytes += "Content-Length: \(length)\r\n"
            if !isWhole, numbers.isOne(in: 6) { bytes += "Content-Length: 3\r\n" }
            bytes += Self.lineEnd + body
            return
        }
        let coding = numbers.pick([
            "chunked", "chunked", "chunked", "gzip, chunked", "chunked, chunked", "identity", " chunked;x",
        ])
        bytes += "Transfer-Encoding: \(coding)\r\n\r\n"
        for _ in 0..<numbers.pick([0, 1, 3]) {
            let size = numbers.pick([
                String(body.count, radix: 16), "ffffffffffffffff", "8000000000000000", "-1", "0x3", "",
                "3;" + String(repeating: "e", count: 20_000),
            ])
            bytes += size.utf8 + Self.lineEnd + body + numbers.pick([Self.lineEnd, [], [0x0a]])
        }
        bytes += numbers.pick(["0\r\n\r\n", "0\r\nTrailer: x\r\n\r\n", "0\r\n:\r\n\r\n", "", "0"]).utf8
    }

    /// Changes a few bytes, or loses the end.
    private mutating func spoil() {
        for _ in 0..<numbers.pick([1, 1, 2, 8]) where !bytes.isEmpty {
            let position = Int.random(in: 0..<bytes.count, using: &numbers)
            switch numbers.pick([0, 1, 2, 3]) {
            case 0: bytes[position] = UInt8.random(in: 0...255, using: &numbers)
            case 1: bytes.remove(at: position)
            case 2: bytes.insert(numbers.pick([0x0d, 0x0a, 0, 0x3a, 0x20]), at: position)
            default: bytes.removeSubrange(position...)
            }
        }
    }
}
