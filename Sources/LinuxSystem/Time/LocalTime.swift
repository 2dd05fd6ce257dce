internal import Glibc

/// A point in time on the calendar and clock of some place.
package struct CalendarTime: Sendable, Hashable {
    package var year: Int
    package var month: Int
    package var day: Int
    package var hour: Int
    package var minute: Int
    package var second: Int
    /// Seconds east of Greenwich.
    package var offset: Int
    /// The abbreviation of the time zone, as `CET`.
    package var zone: String
}

extension FileTime {
    /// This moment in the time zone of the process.
    ///
    /// See localtime_r(3).
    package var inLocalTime: CalendarTime {
        var seconds = time_t(seconds)
        var broken = tm()
        tzset()
        guard localtime_r(&seconds, &broken) != nil else { return inUniversalTime }
        return CalendarTime(
            broken,
            offset: Int(broken.tm_gmtoff),
            zone: broken.tm_zone.map { String(cString: $0) } ?? "UTC"
        )
    }

    /// This moment in universal time.
    ///
    /// See gmtime_r(3).
    package var inUniversalTime: CalendarTime {
        var seconds = time_t(seconds)
        var broken = tm()
        gmtime_r(&seconds, &broken)
        return CalendarTime(broken, offset: 0, zone: "UTC")
    }

    /// Now.
    ///
    /// See clock_gettime(2).
    package static func now() -> FileTime {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return FileTime(seconds: Int64(now.tv_sec), nanoseconds: Int32(now.tv_nsec))
    }
}

extension CalendarTime {
    fileprivate init(_ broken: tm, offset: Int, zone: String) {
        self.init(
            year: Int(broken.tm_year) + 1900,
            month: Int(broken.tm_mon) + 1,
            day: Int(broken.tm_mday),
            hour: Int(broken.tm_hour),
            minute: Int(broken.tm_min),
            second: Int(broken.tm_sec),
            offset: offset,
            zone: zone
        )
    }
}
