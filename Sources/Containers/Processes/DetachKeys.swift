internal import Text

/// The keys that, typed one after another, let go of a process's terminal and leave the process running.
package struct DetachKeys: Sendable, Hashable {
    let bytes: [UInt8]

    /// Ctrl-P, Ctrl-Q.
    package static let standard = DetachKeys(bytes: [0x10, 0x11])

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// Reads keys separated by commas: each is a character, `DEL`, or `ctrl-` and one of `@`, `a` to `z`, `[`, `\`, `]`, `^` and `_`.
    /// - Throws: `ContainerError.invalidDetachKeys`.
    package init(parsing text: String) throws(ContainerError) {
        var bytes: [UInt8] = []
        for key in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let byte = Self.byte(of: Array(key.utf8)) else { throw .invalidDetachKeys(text) }
            bytes.append(byte)
        }
        self.bytes = bytes
    }

    private static func byte(of key: [UInt8]) -> UInt8? {
        if key.count == 1 { return key[0] }
        if key == "DEL" { return 0x7f }
        guard key.count == 6, key.starts(with: "ctrl-".utf8) else { return nil }
        switch key[5] {
        case "a"..."z": return key[5] - 0x60
        case "@", "["..."_": return key[5] - 0x40
        default: return nil
        }
    }
}

/// Looks for detach keys in what is typed.
package struct DetachScanner: Sendable {
    private let keys: [UInt8]
    /// How many of the keys were typed, and held back, so far.
    private var held = 0

    package init(_ keys: DetachKeys?) { self.keys = keys?.bytes ?? [] }

    /// - Returns: what the process may read now, and whether the keys are complete.
    package mutating func scan(_ bytes: [UInt8]) -> (passed: [UInt8], isComplete: Bool) {
        guard !keys.isEmpty else { return (bytes, false) }
        var passed: [UInt8] = []
        for byte in bytes {
            if byte != keys[held] {
                passed += keys[..<held]
                held = 0
            }
            if byte == keys[held] {
                held += 1
                if held == keys.count { return (passed, true) }
            } else {
                passed.append(byte)
            }
        }
        return (passed, false)
    }
}
