internal import CCrypto

/// A hash function of the SHA-2 family (FIPS 180-4), fed piece by piece.
///
/// A copy goes on by itself.
package struct SecureHash: Sendable {
    /// The length of what it gives, in bits.
    package enum Size: CInt, Sendable, Hashable {
        case sha256 = 256
        case sha384 = 384
        case sha512 = 512
    }

    private var state = slipway_hash()

    package init(_ size: Size = .sha256) { slipway_hash_begin(&state, size.rawValue) }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        slipway_hash_add(&state, bytes.baseAddress, bytes.count)
    }

    package mutating func update(_ bytes: some Collection<UInt8>) {
        let done: Void? = bytes.withContiguousStorageIfAvailable { update(UnsafeRawBufferPointer($0)) }
        if done == nil { Array(bytes).withUnsafeBytes { update($0) } }
    }

    /// The hash of everything so far, of as many bytes as the size says.
    package func finalized() -> [UInt8] {
        var state = state
        let count = Int(state.bits) / 8
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            slipway_hash_end(&state, buffer.baseAddress)
            initialized = count
        }
    }

    /// The code that only who knows a key can make of a text: HMAC (RFC 2104) with SHA-256.
    package static func code(of text: [UInt8], key: [UInt8]) -> [UInt8] {
        let block = 64
        var padded = key
        if key.count > block {
            var hash = SecureHash()
            hash.update(key)
            padded = hash.finalized()
        }
        padded += [UInt8](repeating: 0, count: block - padded.count)
        var inner = SecureHash()
        inner.update(padded.map { $0 ^ 0x36 } + text)
        var outer = SecureHash()
        outer.update(padded.map { $0 ^ 0x5c } + inner.finalized())
        return outer.finalized()
    }
}

/// The public key of an Ed25519 key (RFC 8032), each of 32 bytes; nil where the key is none.
package func ed25519PublicKey(of seed: [UInt8]) -> [UInt8]? {
    guard seed.count == 32 else { return nil }
    var result = [UInt8](repeating: 0, count: 32)
    return slipway_ed25519_public_key(seed, &result) == 1 ? result : nil
}
