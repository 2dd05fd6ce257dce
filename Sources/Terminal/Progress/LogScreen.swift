import Text

/// The last lines of a step's output as a terminal would show them: carriage returns, backspaces, tabs and erasing act, colours and
/// all other escape sequences vanish.
struct LogScreen: Sendable {
    private enum Mode {
        case text
        /// After ESC.
        case escape
        /// In a control sequence (CSI), with its parameters so far.
        case control([UInt8])
        /// In a string that a terminal would swallow (OSC, DCS and the like), and whether an ESC was just seen.
        case string(escape: Bool)
    }

    private static let columnLimit = 1024

    private let height: Int
    private var rows: [[Unicode.Scalar]] = [[]]
    private var row = 0
    private var column = 0
    private var mode = Mode.text
    private var unfinished: [UInt8] = []

    init(height: Int) { self.height = max(1, height) }

    /// The lines that are not blank.
    package var lines: [String] {
        rows.map { scalars in
            var view = String.UnicodeScalarView()
            view.append(contentsOf: scalars)
            return String(view)
        }.filter { !$0.allSatisfy { $0 == " " } }
    }

    package mutating func append(_ data: [UInt8]) {
        var bytes = unfinished + data
        let length = unfinishedCharacterLength(bytes)
        unfinished = Array(bytes.suffix(length))
        bytes.removeLast(length)
        // Far more than fits is not worth drawing: only its end can be seen.
        let text = String(decoding: bytes.suffix(64 << 10), as: UTF8.self)
        for scalar in text.unicodeScalars { put(scalar) }
    }

    private mutating func put(_ scalar: Unicode.Scalar) {
        switch mode {
        case .text: draw(scalar)
        case .escape:
            switch scalar {
            case "[": mode = .control([])
            case "]", "P", "X", "^", "_": mode = .string(escape: false)
            default: mode = .text
            }
        case .control(let parameters):
            switch scalar.value {
            case 0x40...0x7e:
                mode = .text
                control(scalar, Int(String(decoding: parameters.prefix { $0 != ";" }, as: UTF8.self)))
            case 0x20..<0x40 where parameters.count < 32: mode = .control(parameters + [UInt8(scalar.value)])
            default: mode = .text
            }
        case .string(let escape):
            let isEnd = scalar == "\u{07}" || scalar == "\u{9c}" || escape && scalar == "\\"
            mode = isEnd ? .text : .string(escape: scalar == "\u{1b}")
        }
    }

    private mutating func draw(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\n":
            column = 0
            row += 1
            if row == rows.count { rows.append([]) }
            if rows.count > height {
                rows.removeFirst()
                row -= 1
            }
        case "\r": column = 0
        case "\u{08}": column = max(0, column - 1)
        case "\t": column = min(Self.columnLimit - 1, (column / 8 + 1) * 8)
        case "\u{1b}": mode = .escape
        case "\u{9b}": mode = .control([])
        case "\u{90}", "\u{98}", "\u{9d}", "\u{9e}", "\u{9f}": mode = .string(escape: false)
        default:
            guard safeText(String(scalar)).unicodeScalars.elementsEqual(CollectionOfOne(scalar)) else { return }
            while rows[row].count < column { rows[row].append(" ") }
            if column < rows[row].count {
                rows[row][column] = scalar
            } else {
                rows[row].append(scalar)
            }
            column = min(Self.columnLimit - 1, column + 1)
        }
    }

    /// Those control sequences that progress bars use: cursor up, down and to a column, and erasing.
    ///
    /// See console_codes(4).
    private mutating func control(_ final: Unicode.Scalar, _ parameter: Int?) {
        switch final {
        case "A": row = max(0, row - min(height, parameter ?? 1))
        case "B": row = min(rows.count - 1, row + min(height, max(0, parameter ?? 1)))
        case "G": column = min(Self.columnLimit - 1, max(0, (parameter ?? 1) - 1))
        case "K":
            if parameter ?? 0 == 0 { rows[row].removeLast(max(0, rows[row].count - column)) } else { rows[row] = [] }
        case "J":
            if parameter ?? 0 == 0 {
                rows[row].removeLast(max(0, rows[row].count - column))
                rows.removeLast(rows.count - 1 - row)
            } else {
                rows = [[]]
                row = 0
            }
        default: break
        }
    }
}
