import Text

/// A change of permissions as chmod(1) takes it: `u=rwX,go=rX`, `a+x`, `g-w,o=`, `u+s`, `+t`, `g=u`.
///
/// Without `ugoa` everybody is meant, whatever the umask is, as in BuildKit.
struct ModeExpression: Sendable, Hashable {
    fileprivate struct Clause: Sendable, Hashable {
        var who: UInt32
        var operation: UInt8
        /// Bits for each of `rwx` in the lowest three, set-id as 8 and sticky as 16.
        var permissions: UInt32
        var executableIfAny: Bool
        /// Whose permissions are copied: 6 for `u`, 3 for `g`, 0 for `o`.
        var copiesFrom: UInt32?
    }

    private var clauses: [Clause] = []

    private static let special: UInt32 = 8
    private static let sticky: UInt32 = 16

    /// - Throws: `OperationError.invalidMode`.
    init(_ text: [UInt8]) throws(OperationError) {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let parsed = Self.clauses(part) else { throw .invalidMode(text) }
            clauses += parsed
        }
    }

    /// One `who` with one or more actions, as in `u+r-w`.
    private static func clauses(_ text: ArraySlice<UInt8>) -> [Clause]? {
        var rest = text
        var who: UInt32 = 0
        while let byte = rest.first, let class_ = classBits(byte) {
            who |= class_
            rest.removeFirst()
        }
        if who == 0 { who = 0o7 }
        var clauses: [Clause] = []
        while let operation = rest.popFirst() {
            guard "+-=".utf8.contains(operation) else { return nil }
            var clause = Clause(who: who, operation: operation, permissions: 0, executableIfAny: false)
            while let byte = rest.first, !"+-=".utf8.contains(byte) {
                rest.removeFirst()
                switch byte {
                case "r": clause.permissions |= 4
                case "w": clause.permissions |= 2
                case "x": clause.permissions |= 1
                case "X": clause.executableIfAny = true
                case "s": clause.permissions |= special
                case "t": clause.permissions |= sticky
                case "u": clause.copiesFrom = 6
                case "g": clause.copiesFrom = 3
                case "o": clause.copiesFrom = 0
                default: return nil
                }
            }
            clauses.append(clause)
        }
        return clauses.isEmpty ? nil : clauses
    }

    /// `u` is 4, `g` 2, `o` 1.
    private static func classBits(_ byte: UInt8) -> UInt32? {
        switch byte {
        case "u": 4
        case "g": 2
        case "o": 1
        case "a": 7
        default: nil
        }
    }

    /// The mode (0 to 0o7777) that a file of this mode gets.
    func applied(to mode: UInt32, isDirectory: Bool) -> UInt32 {
        clauses.reduce(mode) { $1.applied(to: $0, isDirectory: isDirectory) }
    }
}

extension ModeExpression.Clause {
    fileprivate func applied(to mode: UInt32, isDirectory: Bool) -> UInt32 {
        var access = permissions & 7
        if executableIfAny, isDirectory || mode & 0o111 != 0 { access |= 1 }
        if let copiesFrom { access |= (mode >> copiesFrom) & 7 }
        var bits: UInt32 = 0
        var mask: UInt32 = 0
        for (class_, shift, setID) in [(4, 6, 0o4000), (2, 3, 0o2000), (1, 0, 0)] as [(UInt32, UInt32, UInt32)]
        where who & class_ != 0 {
            bits |= access << shift
            mask |= 7 << shift
            mask |= setID
            if permissions & 8 != 0 { bits |= setID }
        }
        if permissions & 16 != 0 { bits |= 0o1000 }
        if who == 7 { mask |= 0o1000 }
        switch operation {
        case "+": return mode | bits
        case "-": return mode & ~bits
        default: return (mode & ~mask) | bits
        }
    }
}
