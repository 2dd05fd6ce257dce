internal import CLinux
internal import Glibc

/// What a process used of the machine, with the processes that it waited for.
///
/// See getrusage(2).
package struct ResourceUsage: Hashable, Sendable, Codable {
    /// Processor time of its own code, in microseconds.
    package let userTime: Int64
    /// Processor time of the kernel on its behalf, in microseconds.
    package let systemTime: Int64
    /// The memory of the largest of the processes when it was largest, in bytes.
    package let peakMemory: Int64
    /// Whether the processes may have had less than that: the kernel has a process begin with the peak of the one that started it.
    package let isPeakBound: Bool
    /// What came from disks, in bytes; what the kernel had in memory is not counted.
    package let bytesRead: Int64
    /// What is written to disks sooner or later, in bytes.
    package let bytesWritten: Int64

    package init(
        userTime: Int64,
        systemTime: Int64,
        peakMemory: Int64,
        isPeakBound: Bool = false,
        bytesRead: Int64,
        bytesWritten: Int64
    ) {
        self.userTime = userTime
        self.systemTime = systemTime
        self.peakMemory = peakMemory
        self.isPeakBound = isPeakBound
        self.bytesRead = bytesRead
        self.bytesWritten = bytesWritten
    }

    /// - Parameters:
    ///   - usage: what the kernel counted.
    ///   - inherited: the peak of this process when it had started the other.
    init(_ usage: slipway_usage, inherited: Int64) {
        self.init(
            userTime: usage.user,
            systemTime: usage.system,
            peakMemory: usage.peak_memory,
            isPeakBound: usage.peak_memory <= inherited,
            bytesRead: usage.bytes_read,
            bytesWritten: usage.bytes_written
        )
    }

    /// The most memory that this process had so far, in bytes.
    static func ownPeakMemory() -> Int64 {
        var usage = rusage()
        return getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 ? Int64(usage.ru_maxrss) * 1024 : 0
    }

    /// Processor time altogether, in seconds.
    package var processorSeconds: Double { Double(userTime + systemTime) / 1e6 }
}
