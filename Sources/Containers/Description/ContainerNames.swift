/// Names and ids for containers that nobody has named.
package enum ContainerNames {
    private static let moods = [
        "agile", "brave", "calm", "deft", "eager", "fair", "gentle", "hardy", "idle", "jolly", "keen", "lucid", "merry",
        "nimble",
        "open", "proud", "quiet", "ready", "steady", "tidy", "upbeat", "vivid", "warm", "yare", "zesty",
    ]
    private static let shipwrights = [
        "archer", "baker", "bentley", "brunel", "burgess", "chapman", "colles", "deane", "ericsson", "fincham",
        "froude",
        "griffiths", "herreshoff", "isherwood", "laird", "mckay", "pett", "phipps", "rennie", "russell", "seppings",
        "steers",
        "symonds", "webb", "yarrow",
    ]

    /// Two words, as docker's users are used to.
    package static func makeName() -> String {
        "\(moods.randomElement() ?? "calm")_\(shipwrights.randomElement() ?? "pett")"
    }

    /// 64 hexadecimal digits.
    package static func makeID() -> String {
        let digits = "0123456789abcdef".map(\.self)
        return String((0..<64).map { _ in digits[Int.random(in: 0..<16)] })
    }

    /// A name without the slash that it may begin with.
    static func withoutSlash(_ name: String) -> String { name.hasPrefix("/") ? String(name.dropFirst()) : name }

    /// Whether a container or a volume may be called that.
    package static func isValid(_ name: String) -> Bool {
        guard let first = name.utf8.first, name.utf8.count > 1 else { return false }
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
        }
        return isAlphanumeric(first) && name.utf8.allSatisfy { isAlphanumeric($0) || "_.-".utf8.contains($0) }
    }
}
