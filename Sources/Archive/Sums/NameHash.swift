/// SipHash-1-3 of names, with a key of its own for each table: no one can choose names that it takes for one another.
struct NameHash: Sendable {
    let key: (low: UInt64, high: UInt64)

    init(key: (low: UInt64, high: UInt64)) { self.key = key }

    init() {
        var random = SystemRandomNumberGenerator()
        key = (random.next(), random.next())
    }

    func callAsFunction(_ name: [UInt8]) -> UInt64 { name.withUnsafeBytes { hash(of: $0) } }

    private func hash(of bytes: UnsafeRawBufferPointer) -> UInt64 {
        var state = State(key)
        let words = bytes.count / 8
        for word in 0..<words {
            state.take(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self)))
        }
        var last = UInt64(truncatingIfNeeded: bytes.count) << 56
        for index in words * 8..<bytes.count { last |= UInt64(bytes[index]) << UInt64((index - words * 8) * 8) }
        state.take(last)
        return state.finish()
    }

    private struct State {
        private var v0, v1, v2, v3: UInt64

        init(_ key: (low: UInt64, high: UInt64)) {
            v0 = key.low ^ 0x736f_6d65_7073_6575
            v1 = key.high ^ 0x646f_7261_6e64_6f6d
            v2 = key.low ^ 0x6c79_6765_6e65_7261
            v3 = key.high ^ 0x7465_6462_7974_6573
        }

        mutating func take(_ word: UInt64) {
            v3 ^= word
            round()
            v0 ^= word
        }

        mutating func finish() -> UInt64 {
            v2 ^= 0xff
            for _ in 0..<3 { round() }
            return v0 ^ v1 ^ v2 ^ v3
        }

        private mutating func round() {
            v0 &+= v1
            v2 &+= v3
            v1 = v1 << 13 | v1 >> 51
            v3 = v3 << 16 | v3 >> 48
            v1 ^= v0
            v3 ^= v2
            v0 = v0 << 32 | v0 >> 32
            v2 &+= v1
            v0 &+= v3
            v1 = v1 << 17 | v1 >> 47
            v3 = v3 << 21 | v3 >> 43
            v1 ^= v2
            v3 ^= v0
            v2 = v2 << 32 | v2 >> 32
        }
    }
}
