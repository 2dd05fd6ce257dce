/// A pattern for image names as `--filter reference=` takes it, with the rules of Go's `path.Match`: `*` and `?` do not match a slash.
///
/// Matching takes time proportional to pattern times name, whatever the pattern.
struct NamePattern: Sendable, Hashable {
    private enum Piece: Sendable, Hashable {
        case character(UInt8)
        case any
        case anyRun
        case set([ClosedRange<UInt8>], isNegated: Bool)
    }

    private let pieces: [Piece]

    /// Reads a pattern.
    /// - Throws: `ImageError.invalidPattern`.
    init(_ text: String) throws(ImageError) {
        let bytes = Array(text.utf8)
        var pieces: [Piece] = []
        var index = 0
        func literal() throws(ImageError) -> UInt8 {
            if index < bytes.count, bytes[index] == UInt8(ascii: "\\") { index += 1 }
            guard index < bytes.count else { throw .invalidPattern(text) }
            defer { index += 1 }
            return bytes[index]
        }
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "*"):
                if pieces.last != .anyRun { pieces.append(.anyRun) }
                index += 1
            case UInt8(ascii: "?"):
                pieces.append(.any)
                index += 1
            case UInt8(ascii: "["):
                index += 1
                let isNegated = index < bytes.count && bytes[index] == UInt8(ascii: "^")
                if isNegated { index += 1 }
                var ranges: [ClosedRange<UInt8>] = []
                while index >= bytes.count || bytes[index] != UInt8(ascii: "]") || ranges.isEmpty {
                    guard index < bytes.count, bytes[index] != UInt8(ascii: "-"), bytes[index] != UInt8(ascii: "]")
                    else {
                        throw .invalidPattern(text)
                    }
                    let low = try literal()
                    var high = low
                    if index < bytes.count, bytes[index] == UInt8(ascii: "-") {
                        index += 1
                        guard index < bytes.count, bytes[index] != UInt8(ascii: "]") else {
                            throw .invalidPattern(text)
                        }
                        high = try literal()
                    }
                    guard low <= high else { throw .invalidPattern(text) }
                    ranges.append(low...high)
                }
                index += 1
                pieces.append(.set(ranges, isNegated: isNegated))
            default: pieces.append(.character(try literal()))
            }
        }
        self.pieces = pieces
    }

    /// Whether the whole name matches.
    func matches(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        var piece = 0
        var index = 0
        // Where to go on from when a later piece fails: one byte more for the last `*`.
        var retry: (piece: Int, index: Int)?
        while true {
            if piece < pieces.count, pieces[piece] == .anyRun {
                retry = (piece, index)
                piece += 1
                continue
            }
            if piece == pieces.count, index == bytes.count { return true }
            if piece < pieces.count, index < bytes.count, Self.matches(pieces[piece], bytes[index]) {
                piece += 1
                index += 1
                continue
            }
            guard let (star, start) = retry, start < bytes.count, bytes[start] != UInt8(ascii: "/") else {
                return false
            }
            retry = (star, start + 1)
            piece = star + 1
            index = start + 1
        }
    }

    private static func matches(_ piece: Piece, _ byte: UInt8) -> Bool {
        switch piece {
        case .character(let wanted): byte == wanted
        case .any, .anyRun: byte != UInt8(ascii: "/")
        case .set(let ranges, let isNegated):
            byte != UInt8(ascii: "/") && ranges.contains { $0.contains(byte) } != isNegated
        }
    }
}
