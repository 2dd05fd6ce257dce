internal import Text

/// Why a port of EXPOSE is wrong.
package enum PortError: Error, Sendable, Hashable, CustomStringConvertible {
    case noPort(String)
    case invalidProtocol(String, of: String)
    case invalidAddress(String)
    case invalidContainerPort(String)
    case invalidHostPort(String)
    case rangesDiffer(container: String, host: String)

    package var description: String {
        switch self {
        case .noPort(let text): "invalid port: \(quoted(text)): no port specified"
        case .invalidProtocol(let name, let text): "invalid port: \(quoted(text)): invalid proto: \(name)"
        case .invalidAddress(let text): "invalid IP address: \(text)"
        case .invalidContainerPort(let text): "invalid containerPort: \(text)"
        case .invalidHostPort(let text): "invalid hostPort: \(text)"
        case .rangesDiffer(let container, let host):
            "invalid ranges specified for container and host Ports: \(container) and \(host)"
        }
    }
}

/// A port, or a range of them, as EXPOSE takes it: `[[address:]host:]port[-port][/protocol]`.
struct ExposedPorts {
    /// `80/tcp`, one for each port of the range.
    let ports: [String]
    /// Whether the protocol was written with capital letters.
    let hasOddProtocolCasing: Bool
    /// Whether a host's address or port was given, which means nothing in an image.
    let namesHost: Bool

    init(parsing text: String) throws(PortError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let last = parts[parts.count - 1]
        let host = parts.count > 1 ? parts[parts.count - 2] : ""
        let address = parts.dropLast(2).joined(separator: ":")
        let sides = last.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let number = sides[0]
        let name = sides.count > 1 && !sides[1].isEmpty ? sides[1] : "tcp"
        guard !number.isEmpty else { throw .noPort(text) }
        let transport = name.lowercased()
        guard ["tcp", "udp", "sctp"].contains(transport) else { throw .invalidProtocol(name, of: text) }
        guard address.isEmpty || Self.isAddress(address) else { throw .invalidAddress(address) }
        guard let range = Self.range(number) else { throw .invalidContainerPort(number) }
        if !host.isEmpty {
            guard let hostRange = Self.range(host) else { throw .invalidHostPort(host) }
            guard hostRange.count == range.count || range.count == 1 else {
                throw .rangesDiffer(container: number, host: host)
            }
        }
        ports = range.map { "\($0)/\(transport)" }
        hasOddProtocolCasing = name != transport
        namesHost = !host.isEmpty || !address.isEmpty
    }

    private static func range(_ text: String) -> ClosedRange<UInt16>? {
        let sides = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard let start = port(sides[0]) else { return nil }
        guard sides.count == 2 else { return start...start }
        guard let end = port(sides[1]), end >= start else { return nil }
        return start...end
    }

    private static func port(_ text: Substring) -> UInt16? {
        text.utf8.allSatisfy { ("0"..."9").contains($0) } ? UInt16(text) : nil
    }

    /// Whether a text may be an IPv4 or IPv6 address; it is checked, not used.
    private static func isAddress(_ text: String) -> Bool {
        var text = text[...]
        if text.hasPrefix("["), text.hasSuffix("]") { text = text.dropFirst().dropLast() }
        if text.contains(":") {
            return text.utf8.allSatisfy { byte in
                let lower = byte | 0x20
                return ("0"..."9").contains(byte)
                    || ("a"..."f").contains(lower) || byte == ":"
                    || byte == "."
            }
        }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }
}
