internal import LinuxSystem
internal import SystemPackage
internal import Text

/// Finds out whether a signature was made with one of some keys, by the programs that are there for it.
///
/// They run without any settings or keys of the user.
struct SignatureCheck: Sendable {
    /// Why a signature does not do.
    struct Failure: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }
    }

    /// Blocks of PGP keys as text, or one key of ssh.
    let publicKeys: [UInt8]
    /// Whether a key or signature that has expired does not do.
    var rejectsExpired = false

    init(publicKeys: [UInt8]) { self.publicKeys = publicKeys }

    // MARK: PGP

    /// Checks a PGP signature of what is in a file.
    /// - Throws: `Failure`, `ProgramNotFound` where gpgv is missing.
    func checkPGP(_ signature: [UInt8], of signed: OpenFile) async throws {
        let keys = try PGPArmor.keys(in: publicKeys)
        let files = try await onBlockingPool {
            (keys: try Self.file("keys", keys), signature: try Self.file("signature", signature))
        }
        defer { withExtendedLifetime(files) {} }
        let paths = [files.keys, files.signature, signed].map { $0.pathForChildren.string }
        let result = try await run(
            "gpgv",
            ["--homedir", "/nonexistent", "--status-fd", "1", "--keyring"] + paths
        )
        if let problem = PGPStatus(result.output).problem(rejectsExpired: rejectsExpired) {
            throw Failure("\(problem)\(Self.reason(result))")
        }
    }

    // MARK: SSH

    /// Checks a signature that ssh-keygen made of some bytes for a use of keys.
    /// - Throws: `Failure`, `ProgramNotFound` where ssh-keygen is missing.
    func checkSSH(_ signature: [UInt8], of signed: [UInt8], for use: String) async throws {
        guard let key = SSHKeyLine(publicKeys) else { throw Failure("failed to parse ssh public key") }
        let signer = "signer"
        let files = try await onBlockingPool {
            let line = "\(signer) namespaces=\"\(use)\" " + key.text + "\n"
            return (keys: try Self.file("keys", line), signature: try Self.file("signature", signature))
        }
        defer { withExtendedLifetime(files) {} }
        let paths = [files.keys, files.signature].map { $0.pathForChildren.string }
        let arguments = ["-Y", "verify", "-n", use, "-I", signer, "-f", paths[0], "-s", paths[1]]
        let result = try await run("ssh-keygen", arguments, input: signed)
        guard result.status.isSuccess else { throw Failure("failed to verify ssh signature\(Self.reason(result))") }
    }

    // MARK: Programs

    private func run(_ name: String, _ arguments: [String], input: [UInt8] = []) async throws -> ChildProcessOutput {
        let program = try await onBlockingPool { try Program.named(name).resolve() }
        var configuration = ChildProcessConfiguration(.path(program), arguments.map { Array($0.utf8) })
        configuration.workingDirectory = "/"
        configuration.environment = ["LC_ALL=C", "HOME=/nonexistent"]
        return try await ChildProcess.run(configuration, input: input)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func file(_ name: String, _ content: [UInt8]) throws(SystemCallError) -> OpenFile {
        let file = try OpenFile.inMemory(named: name)
        try file.write(content)
        return file
    }

    /// What a program says of a signature that does not do.
    private static func reason(_ result: ChildProcessOutput) -> String {
        let lines = (result.errors.isEmpty ? result.output : result.errors).split(separator: "\n")
        return lines.last.map { ": " + escapedForDisplay(Array($0.prefix(200))) } ?? ""
    }
}

/// What gpgv says of signatures.
///
/// See the file DETAILS of GnuPG, "Format of the --status-fd output".
struct PGPStatus {
    private let lines: [[Substring]]

    init(_ output: [UInt8]) {
        lines = String(decoding: output, as: UTF8.self).split(separator: "\n").map { $0.split(separator: " ") }
            .filter { $0.first == "[GNUPG:]" }.map { Array($0.dropFirst()) }
    }

    /// RSA, ECDSA and EdDSA.
    private static let algorithms: Set<Substring> = ["1", "3", "19", "22"]
    /// SHA-256, SHA-384 and SHA-512.
    private static let hashes: Set<Substring> = ["8", "9", "10"]

    /// Why the signatures do not do; nil if they do.
    func problem(rejectsExpired: Bool) -> String? {
        func has(_ keywords: Substring...) -> Bool {
            lines.contains { line in line.first.map { keywords.contains($0) } ?? false }
        }
        if has("NO_PUBKEY") { return "signature made by unknown entity" }
        if has("BADSIG", "ERRSIG", "NODATA", "FAILURE", "UNEXPECTED") { return "invalid signature" }
        if has("REVKEYSIG") { return "key is revoked" }
        if rejectsExpired, has("EXPKEYSIG", "EXPSIG") { return "key expired" }
        let valid = lines.filter { $0.first == "VALIDSIG" }
        guard !valid.isEmpty, has("GOODSIG", "EXPKEYSIG", "EXPSIG") else { return "no signature packet found" }
        for line in valid {
            guard line.count > 8, Self.algorithms.contains(line[7]) else {
                return "rejecting unsupported pubkey algorithm"
            }
            guard Self.hashes.contains(line[8]) else { return "rejecting weak/unknown hash" }
        }
        return nil
    }
}

/// PGP's form of bytes as text.
///
/// See RFC 9580, section 6.2.
enum PGPArmor {
    /// The bytes of all blocks of public keys in a text.
    static func keys(in text: [UInt8]) throws(SignatureCheck.Failure) -> [UInt8] {
        var keys: [UInt8] = []
        var block: [UInt8]?
        var isHeader = false
        for var line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            while line.last.map({ $0 == 0x0d || $0 == 0x20 || $0 == 0x09 }) ?? false { line = line.dropLast() }
            if line.starts(with: "-----BEGIN ".utf8) {
                guard line.elementsEqual("-----BEGIN PGP PUBLIC KEY BLOCK-----".utf8) else {
                    throw SignatureCheck.Failure("expected public key block")
                }
                (block, isHeader) = ([], true)
            } else if line.starts(with: "-----END ".utf8) {
                guard let encoded = block, let bytes = bytes(ofBase64: encoded) else {
                    throw SignatureCheck.Failure("failed to decode armored public key")
                }
                keys += bytes
                block = nil
            } else if isHeader {
                // Headers end with an empty line.
                if line.isEmpty { isHeader = false }
            } else if line.first != "=" {
                // The last line is a sum, which says nothing of who made the key.
                block?.append(contentsOf: line)
            }
        }
        guard block == nil, !keys.isEmpty else {
            throw SignatureCheck.Failure("failed to read armored public key: no armored data found")
        }
        return keys
    }

    private static func bytes(ofBase64 text: [UInt8]) -> [UInt8]? {
        Text.bytes(ofBase64: String(decoding: text, as: UTF8.self))
    }
}

/// A public key as ssh writes it: a line of `authorized_keys` without options.
struct SSHKeyLine {
    /// The type and the key, which holds its type too.
    let text: [UInt8]

    init?(_ content: [UInt8]) {
        for line in content.split(whereSeparator: { $0 == 0x0a || $0 == 0x0d }) {
            let fields = line.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 })
            guard fields.count >= 2, fields[0].first != "#" else { continue }
            guard let key = bytes(ofBase64: String(decoding: fields[1], as: UTF8.self)), key.count > 4 else { continue }
            let length = key.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            guard length <= key.count - 4, key[4..<(4 + length)].elementsEqual(fields[0]) else { continue }
            text = Array(fields[0]) + " " + Array(fields[1])
            return
        }
        return nil
    }
}
