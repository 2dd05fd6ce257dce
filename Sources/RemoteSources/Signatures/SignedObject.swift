internal import LLB
internal import LinuxSystem
internal import Text

/// An object of git taken apart: what was signed, and the signature.
struct SignedObject: Equatable {
    /// Empty for an object that is not signed.
    private(set) var signature: [UInt8] = []
    private(set) var content: [UInt8]

    /// A commit: the signature is one of its headers, `gpgsig` or `gpgsig-sha256`, whose lines go on with a blank.
    init(commit: [UInt8]) {
        content = []
        var rest = commit[...]
        var isSignature = false
        while let end = rest.firstIndex(of: 0x0a), end > rest.startIndex {
            let line = rest[..<end]
            rest = rest[(end + 1)...]
            let name = ["gpgsig ", "gpgsig-sha256 "].first { line.starts(with: $0.utf8) }
            if let name {
                signature += line.dropFirst(name.utf8.count) + "\n"
                isSignature = true
            } else if isSignature, line.first == 0x20 {
                signature += line.dropFirst() + "\n"
            } else {
                isSignature = false
                content += line + "\n"
            }
        }
        content += rest
    }

    private static let beginnings = ["-----BEGIN PGP SIGNATURE-----", "-----BEGIN SSH SIGNATURE-----"]

    /// An annotated tag: the signature follows its message.
    init(tag: [UInt8]) {
        content = tag
        var start = 0
        while start < tag.count {
            let line = tag[start...].prefix { $0 != 0x0a }
            if Self.beginnings.contains(where: { line.elementsEqual($0.utf8) }) {
                (content, signature) = (Array(tag[..<start]), Array(tag[start...]))
                return
            }
            start = line.endIndex + 1
        }
    }

    /// Checks who signed it.
    /// - Throws: `SignatureCheck.Failure`, `ProgramNotFound`.
    func verify(_ check: SignatureCheck) async throws {
        if signature.isEmpty { throw SignatureCheck.Failure("git object is not signed") }
        if signature.starts(with: Self.beginnings[1].utf8) {
            return try await check.checkSSH(signature, of: content, for: "git")
        }
        guard signature.starts(with: Self.beginnings[0].utf8) else {
            throw SignatureCheck.Failure("invalid signature format")
        }
        let file = try await onBlockingPool { [content] in
            let file = try OpenFile.inMemory(named: "signed")
            try file.write(content)
            return file
        }
        defer { withExtendedLifetime(file) {} }
        try await check.checkPGP(signature, of: file)
    }
}
