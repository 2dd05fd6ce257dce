internal import FoundationEssentials
internal import Hashing
internal import Text

/// A file with a private key in any of the forms that Go's `ssh.ParseRawPrivateKey` reads, which is what buildx uses.
///
/// OpenSSH's programs read fewer: they refuse a key after other text, with CR LF, without a line end, in a file that others may
/// read, and before version 9.6 Ed25519 in PKCS#8. So the key is handed to them as text, or to the agent as numbers.
enum PrivateKeyFile {
    /// As buildx, no longer files are read.
    static let sizeLimit = 100 << 10

    /// The first PEM block of a file, with plain line ends; nil where there is none.
    static func block(in file: [UInt8]) -> (label: [UInt8], text: [UInt8])? {
        let lines = file.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            var line = line
            while let last = line.last, [0x20, 0x09, 0x0d].contains(last) { line.removeLast() }
            return Array(line)
        }
        for (first, line) in lines.enumerated() {
            guard let label = label(of: line, "BEGIN") else { continue }
            guard let last = lines[first...].firstIndex(where: { self.label(of: $0, "END") == label }) else { continue }
            return (label, lines[first...last].flatMap { $0 + "\n" })
        }
        return nil
    }

    private static func label(of line: [UInt8], _ word: String) -> [UInt8]? {
        let start: [UInt8] = "-----\(word) "
        let end: [UInt8] = "-----"
        guard line.starts(with: start), line.count > start.count + end.count, line.suffix(5).elementsEqual(end) else {
            return nil
        }
        return Array(line[start.count..<(line.count - end.count)])
    }

    /// The message that adds an Ed25519 key in PKCS#8 to an agent; nil for any other key.
    ///
    /// See RFC 8410, and SSH_AGENTC_ADD_IDENTITY in draft-ietf-sshm-ssh-agent.
    static func ed25519Message(_ block: (label: [UInt8], text: [UInt8])) -> [UInt8]? {
        guard block.label == "PRIVATE KEY", let seed = ed25519Seed(in: block.text),
            let publicKey = ed25519PublicKey(of: seed)
        else { return nil }
        var body: [UInt8] = [17]
        for field in ["ssh-ed25519", publicKey, seed + publicKey, "slipway"] {
            body += length(of: field) + field
        }
        return length(of: body) + body
    }

    private static func length(of bytes: [UInt8]) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: bytes.count >> (24 - 8 * $0)) }
    }

    private static func ed25519Seed(in text: [UInt8]) -> [UInt8]? {
        let lines = text.split(separator: "\n").filter { $0.first != "-" }
        guard let data = Data(base64Encoded: Data(lines.joined())) else { return nil }
        let der = Array(data)
        // SEQUENCE, version 0 or 1, the algorithm 1.3.101.112, and the seed in an OCTET STRING of an OCTET STRING.
        let algorithm: [UInt8] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20]
        guard der.count >= 48, der[0] == 0x30, der[1] < 0x80, der[2...3].elementsEqual([0x02, 0x01]), der[4] <= 1,
            der[5..<16].elementsEqual(algorithm)
        else { return nil }
        return Array(der[16..<48])
    }
}
