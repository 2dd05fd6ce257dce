import LLB
import Text

extension ModeChange {
    /// Reads the value of `--chmod`: octal from 0 to 07777, or symbolic as chmod(1) takes it.
    /// - Returns: nil for anything else.
    init?(parsing text: [UInt8]) {
        if let first = text.first, ("0"..."9").contains(first) {
            guard let bits = UInt32(String(decoding: text, as: UTF8.self), radix: 8), bits <= 0o7777 else { return nil }
            self = .bits(bits)
            return
        }
        let clauses = text.split(separator: ",", omittingEmptySubsequences: false)
        guard clauses.allSatisfy(Self.isClause) else { return nil }
        self = .symbolic(text)
    }

    /// A clause is `[ugoa…][+-=][permissions…]`, where the sign and what follows may come again.
    private static func isClause(_ clause: ArraySlice<UInt8>) -> Bool {
        var rest = clause.drop { "ugoa".utf8.contains($0) }
        guard !rest.isEmpty else { return false }
        while let sign = rest.first {
            guard "+-=".utf8.contains(sign) else { return false }
            rest = rest.dropFirst()
            let isCopy = rest.first.map { "ugo".utf8.contains($0) } ?? false
            rest = isCopy ? rest.dropFirst() : rest.drop { "rwxXst".utf8.contains($0) }
        }
        return true
    }
}

extension Owner {
    /// Reads `user[:group]` of `--chown` and USER.
    ///
    /// Numbers need no account; names are looked up in `tree`.
    init(parsing text: [UInt8], in tree: FileInput) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        func account(_ part: ArraySlice<UInt8>) -> Account {
            if part == "root" { return .id(0) }
            let text = String(decoding: part, as: UTF8.self)
            if let id = Int32(text), id >= 0, !text.hasPrefix("+") { return .id(UInt32(id)) }
            return part.isEmpty ? .id(0) : .named(Array(part), in: tree)
        }
        self.init(
            user: parts.first.map(account) ?? .id(0),
            group: parts.count > 1 ? account(parts[1]) : nil
        )
    }
}
