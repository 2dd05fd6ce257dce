internal import LinuxSystem

/// A moment of wall-clock time, as progress events carry it: nanoseconds since 1970 in UTC.
package struct Timestamp: Hashable, Comparable, Sendable, Codable {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The seconds from `earlier` to this moment; never negative, whatever was done to the clock in between.
    package func seconds(since earlier: Timestamp) -> Double {
        let (difference, overflow) = nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
        return overflow || difference < 0 ? 0 : Double(difference) / 1e9
    }

    /// This moment moved by some seconds.
    package func advanced(by seconds: Double) -> Timestamp {
        Timestamp(nanoseconds: nanoseconds &+ Int64(seconds * 1e9))
    }

    /// The system's clock.
    package static let system: @Sendable () -> Timestamp = { Timestamp(nanoseconds: realTimeNanoseconds()) }
}
