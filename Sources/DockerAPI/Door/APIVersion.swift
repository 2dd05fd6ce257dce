/// A version of Docker's API.
package struct APIVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Of its numbers the first counts most; those that are lacking are 0.
    private let numbers: [Int]

    /// The latest version whose answers this daemon gives, and the first.
    package static let latest = APIVersion(1, 56)
    package static let oldest = APIVersion(1, 40)

    init(_ numbers: Int...) { self.numbers = numbers }

    /// Reads `1.41`; what is no number counts as 0, as for Docker.
    package init(parsing text: String) {
        numbers = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    }

    package var description: String { numbers.map { "\($0)" }.joined(separator: ".") }

    package static func < (first: APIVersion, second: APIVersion) -> Bool {
        let count = max(first.numbers.count, second.numbers.count)
        func padded(_ version: APIVersion) -> [Int] {
            version.numbers + Array(repeating: 0, count: count - version.numbers.count)
        }
        return padded(first).lexicographicallyPrecedes(padded(second))
    }
}
