internal import CISAL

/// What tells whether a file's content is what it was: its CRC-32C and the low bits of its size.
///
/// It finds what a disk does to bytes, at some twenty gigabytes a second. It is no proof against intent: that is what digests are for.
package struct FileSum: Hashable, Sendable {
    let checksum: UInt32
    let size: UInt32

    /// Sums up content piece by piece.
    package struct Counter: Sendable {
        private var state = UInt32.max
        package private(set) var count: Int64 = 0

        package init() {}

        package mutating func add(_ bytes: UnsafeRawBufferPointer) {
            state = slipway_crc32c(state, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
            count += Int64(bytes.count)
        }

        package mutating func add(_ bytes: [UInt8]) { bytes.withUnsafeBytes { add($0) } }

        package var sum: FileSum { FileSum(checksum: ~state, size: UInt32(truncatingIfNeeded: count)) }
    }
}

/// Compares the sum of a file, by its path from the root of a tree without a slash in front, with what is known; throws where it is another.
package typealias FileComparison = @Sendable (_ path: [UInt8], FileSum) throws -> Void
