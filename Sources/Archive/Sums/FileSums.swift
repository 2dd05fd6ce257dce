/// The sums of the regular files of one layer, by name: every name is there, the sums of some may be unknown.
///
/// Sixteen bytes a file. Names are kept as hashes, which is enough to look for one that is known.
package struct FileSums: Sendable {
    /// What is known of a name.
    package enum Answer: Hashable, Sendable {
        /// The layer has no regular file of this name.
        case absent
        case unknown
        case known(FileSum)
    }

    /// As it lies in the file.
    struct Entry: Hashable, Sendable {
        var name: UInt64
        var checksum: UInt32
        var size: UInt32

        /// A file that happens to have these counts as unknown.
        static let unknown = FileSum(checksum: 0, size: .max)

        init(name: UInt64, sum: FileSum?) {
            self.name = name
            checksum = (sum ?? Self.unknown).checksum
            size = (sum ?? Self.unknown).size
        }

        var sum: FileSum? {
            let sum = FileSum(checksum: checksum, size: size)
            return sum == Self.unknown ? nil : sum
        }
    }

    private let hash: NameHash
    /// Sorted by name.
    private var entries: [Entry]

    init(_ hash: NameHash, sorted entries: [Entry]) {
        self.hash = hash
        self.entries = entries
    }

    /// What is known of a file.
    /// - Parameter path: from the root of the layer, without a slash in front.
    /// - Returns: whether the layer has it, and its sum.
    package func answer(for path: [UInt8]) -> Answer {
        guard let index = index(of: path) else { return .absent }
        return entries[index].sum.map(Answer.known) ?? .unknown
    }

    /// Fills in the sum of a file, if that was unknown.
    package mutating func fill(in path: [UInt8], _ sum: FileSum) {
        guard let index = index(of: path), entries[index].sum == nil else { return }
        entries[index] = Entry(name: entries[index].name, sum: sum)
    }

    package var count: Int { entries.count }

    /// Whether the sums of all files are known.
    package var isComplete: Bool { entries.allSatisfy { $0.sum != nil } }

    private func index(of path: [UInt8]) -> Int? {
        let name = hash(path)
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].name < name { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && entries[low].name == name ? low : nil
    }

    // MARK: As a file

    private static let magic: UInt64 = 0x316d_7573_7069_6c73
    private static let header = 32

    /// The bytes of the file: magic, key of the hash, count, entries, and the sum of all that.
    ///
    /// Every processor that Slipway runs on is little-endian.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.header + entries.count * MemoryLayout<Entry>.stride + 4)
        for word in [Self.magic, hash.key.low, hash.key.high, UInt64(entries.count)] {
            withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
        }
        entries.withUnsafeBytes { bytes.append(contentsOf: $0) }
        var counter = FileSum.Counter()
        counter.add(bytes)
        withUnsafeBytes(of: counter.sum.checksum.littleEndian) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// Nil for bytes that are not what was written.
    package init?(encoded bytes: [UInt8]) {
        let stride = MemoryLayout<Entry>.stride
        guard bytes.count >= Self.header + 4, (bytes.count - Self.header - 4) % stride == 0 else { return nil }
        let count = (bytes.count - Self.header - 4) / stride
        let read: (NameHash, [Entry])? = bytes.withUnsafeBytes { raw in
            func word(_ index: Int) -> UInt64 {
                UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
            }
            guard word(0) == Self.magic, word(3) == UInt64(count) else { return nil }
            var counter = FileSum.Counter()
            counter.add(UnsafeRawBufferPointer(rebasing: raw.dropLast(4)))
            let end = raw.loadUnaligned(fromByteOffset: bytes.count - 4, as: UInt32.self)
            guard counter.sum.checksum == UInt32(littleEndian: end) else { return nil }
            let entries = [Entry](unsafeUninitializedCapacity: count) { buffer, initialized in
                UnsafeMutableRawBufferPointer(buffer).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: raw[Self.header..<bytes.count - 4])
                )
                initialized = count
            }
            return (NameHash(key: (word(1), word(2))), entries)
        }
        guard let read else { return nil }
        (hash, entries) = read
    }
}
