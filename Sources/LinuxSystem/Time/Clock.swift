internal import Glibc

/// Nanoseconds since 1970 in UTC.
///
/// See clock_gettime(2).
package func realTimeNanoseconds() -> Int64 { nanoseconds(of: CLOCK_REALTIME) }

/// Nanoseconds of a clock that nobody sets; only differences mean something.
///
/// See clock_gettime(2).
package func monotonicNanoseconds() -> Int64 { nanoseconds(of: CLOCK_MONOTONIC) }

private func nanoseconds(of clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
}

/// How many processors this process may use.
///
/// See sysconf(3).
package func availableProcessorCount() -> Int { max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))) }
