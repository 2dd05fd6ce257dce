internal import OCI
internal import Text

/// The state of the database after one of its commits: how many there were, and a random word that no other commit has.
struct Generation: Hashable, Sendable {
    var number: Int64
    /// 16 hexadecimal digits.
    var tag: String

    static func makeTag() -> String { hexadecimal(UInt64.random(in: .min ... .max)) }

    /// 16 digits.
    static func hexadecimal(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// What one commit changed, or everything there was after it, as the file of records holds it.
///
///     slipway 1 C 0000000213 0000000000000000456 0123456789abcdef 89abcdef01234567
///     (213 bytes: one line for each row)
///     (the first line again)
///
/// The line has a fixed length, so that the end of the file alone says how far it goes: kind (B for everything, C for a
/// change), length, number and tag of the generation, the first half of the SHA-256 of all that.
struct RecordFrame: Hashable, Sendable {
    enum Kind: String, Hashable, Sendable { case everything = "B", change = "C" }

    var kind: Kind
    var generation: Generation
    var content: [UInt8]

    /// The first and the last line of a frame, read.
    struct Line: Hashable, Sendable {
        var kind: Kind
        var length: Int
        var generation: Generation
        var check: String
    }

    static let lineLength = "slipway 1 C ".utf8.count + 10 + 1 + 19 + 1 + 16 + 1 + 16 + 1

    var encoded: [UInt8] {
        let line: [UInt8] = "\(start) \(Self.check(start, content))\n"
        return line + content + line
    }

    private var start: String {
        Self.start(Line(kind: kind, length: content.count, generation: generation, check: ""))
    }

    private static func start(_ line: Line) -> String {
        "slipway 1 \(line.kind.rawValue) \(padded(line.length, 10)) \(padded(line.generation.number, 19)) \(line.generation.tag)"
    }

    private static func padded(_ number: some BinaryInteger, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private static func check(_ start: String, _ content: [UInt8]) -> String {
        var digester = Digester(.sha256)
        digester.update(Array(start.utf8))
        digester.update(content)
        return String(digester.finalize().hex.prefix(16))
    }

    /// Reads the line that begins and ends a frame; nil for anything else.
    static func line(_ bytes: ArraySlice<UInt8>) -> Line? {
        guard bytes.count == lineLength, bytes.last == "\n" else { return nil }
        let parts = String(decoding: bytes.dropLast(), as: UTF8.self).split(separator: " ")
        guard parts.count == 7, parts[0] == "slipway", parts[1] == "1", let kind = Kind(rawValue: String(parts[2])),
            let length = Int(parts[3]), let number = Int64(parts[4]), length >= 0, number >= 0
        else { return nil }
        let generation = Generation(number: number, tag: String(parts[5]))
        let line = Line(kind: kind, length: length, generation: generation, check: String(parts[6]))
        // Only what is written is read: another spelling of a number is damage.
        return Array(bytes) == "\(start(line)) \(line.check)\n" ? line : nil
    }

    /// Reads the frame at the start of bytes; nil where there is none that is whole.
    init?(at bytes: ArraySlice<UInt8>) {
        guard let line = Self.line(bytes.prefix(Self.lineLength)),
            bytes.count - 2 * Self.lineLength >= line.length
        else { return nil }
        let first = bytes.prefix(Self.lineLength)
        let rest = bytes.dropFirst(Self.lineLength)
        let content = Array(rest.prefix(line.length))
        guard rest.dropFirst(line.length).prefix(Self.lineLength).elementsEqual(first),
            Self.check(Self.start(line), content) == line.check
        else { return nil }
        self.init(kind: line.kind, generation: line.generation, content: content)
    }

    init(kind: Kind, generation: Generation, content: [UInt8]) {
        self.kind = kind
        self.generation = generation
        self.content = content
    }

    /// How many bytes of a file it takes.
    var size: Int { content.count + 2 * Self.lineLength }
}
