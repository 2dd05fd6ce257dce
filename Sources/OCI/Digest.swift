internal import Hashing
import Text

/// The digest of some content, as the OCI image specification writes it: `sha256:` and 64 lower-case hexadecimal digits.
///
/// A value can only be made from valid text or from bytes that were hashed, so it is safe as a file name.
package struct Digest: Hashable, Sendable, Comparable, CustomStringConvertible {
    package enum Algorithm: String, Sendable, Hashable, CaseIterable {
        case sha256, sha384, sha512

        /// How many hexadecimal digits a digest of this algorithm has.
        package var digitCount: Int {
            switch self {
            case .sha256: 64
            case .sha384: 96
            case .sha512: 128
            }
        }
    }

    package let algorithm: Algorithm
    /// The lower-case hexadecimal digits.
    package let hex: String

    /// Parses `algorithm:hex`.
    /// - Throws: `OCIError.invalidDigest` for anything else, upper-case digits included.
    package init(parsing text: some StringProtocol) throws(OCIError) {
        // The reasons are those of the library that docker and BuildKit use.
        func fail(_ reason: String) -> OCIError { .invalidDigest(String(text), reason: reason) }
        let bytes = Array(text.utf8)
        guard let colon = bytes.firstIndex(of: ":"), colon > 0, colon + 1 < bytes.count else {
            throw fail("invalid checksum digest format, expected algorithm:hex")
        }
        guard let algorithm = Algorithm(rawValue: String(decoding: bytes[..<colon], as: UTF8.self)) else {
            let known = Algorithm.allCases.map(\.rawValue).joined(separator: ", ")
            throw fail("unsupported digest algorithm, expected one of \(known)")
        }
        guard bytes.count - colon - 1 == algorithm.digitCount else {
            throw fail("invalid checksum digest length, expected \(algorithm.digitCount) hexadecimal digits")
        }
        let isHexadecimal = bytes[(colon + 1)...].allSatisfy {
            ("0"..."9").contains($0) || ("a"..."f").contains($0)
        }
        guard isHexadecimal else {
            throw fail("invalid checksum digest format, expected lower-case hexadecimal digits")
        }
        self.algorithm = algorithm
        hex = String(decoding: bytes[(colon + 1)...], as: UTF8.self)
    }

    /// A SHA-256 from its 32 bytes; nil for another number of bytes.
    package init?(sha256 bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        algorithm = .sha256
        hex = hexadecimal(bytes)
    }

    /// The SHA-256 of `bytes`.
    package static func sha256(of bytes: some Sequence<UInt8>) -> Digest {
        var digester = Digester()
        let done: Void? = bytes.withContiguousStorageIfAvailable { digester.update(UnsafeRawBufferPointer($0)) }
        if done == nil { digester.update(Array(bytes)) }
        return digester.finalize()
    }

    /// The SHA-256 of `bytes`, which may be a literal.
    package static func sha256(of bytes: [UInt8]) -> Digest { sha256(of: bytes[...]) }

    package var description: String { "\(algorithm.rawValue):\(hex)" }

    /// The first 12 digits, as `docker images` shows them.
    package var short: String { String(hex.prefix(12)) }

    package static func < (left: Digest, right: Digest) -> Bool {
        (left.algorithm.rawValue, left.hex) < (right.algorithm.rawValue, right.hex)
    }
}

extension Digest: Codable {
    package init(from decoder: any Decoder) throws {
        try self.init(parsing: try decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Hashes content piece by piece with whichever algorithm a digest names.
package struct Digester: Sendable {
    private let algorithm: Digest.Algorithm
    private var hash: SecureHash

    package init(_ algorithm: Digest.Algorithm = .sha256) {
        self.algorithm = algorithm
        hash = SecureHash(algorithm.size)
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bytes) }

    package mutating func update(_ bytes: some Collection<UInt8>) { hash.update(bytes) }

    /// Hashes a length and then the bytes, so that a sequence of fields has one reading only.
    package mutating func updateField(_ bytes: some Collection<UInt8>) {
        withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { update($0) }
        update(bytes)
    }

    /// Hashes a text field; see the form for bytes.
    package mutating func updateField(_ text: String) { updateField(Array(text.utf8)) }

    /// The digest of everything hashed so far.
    package func finalize() -> Digest { Digest(algorithm: algorithm, hash.finalized()) }
}

extension Digest {
    fileprivate init(algorithm: Algorithm, _ hash: [UInt8]) {
        self.algorithm = algorithm
        hex = hexadecimal(hash)
    }
}

extension Digest.Algorithm {
    fileprivate var size: SecureHash.Size {
        switch self {
        case .sha256: .sha256
        case .sha384: .sha384
        case .sha512: .sha512
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
package func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.withContiguousStorageIfAvailable(digits) ?? Array(bytes).withUnsafeBufferPointer(digits)
}

private func digits(of bytes: UnsafeBufferPointer<UInt8>) -> String {
    func digit(_ value: UInt8) -> UInt8 { value < 10 ? "0" + value : "a" + value - 10 }
    return String(unsafeUninitializedCapacity: 2 * bytes.count) { text in
        for (index, byte) in bytes.enumerated() {
            text.initializeElement(at: 2 * index, to: digit(byte >> 4))
            text.initializeElement(at: 2 * index + 1, to: digit(byte & 15))
        }
        return 2 * bytes.count
    }
}
