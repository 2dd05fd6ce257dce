internal import Glibc

/// Seconds since 1970 in UTC, as the store and containers keep times.
///
/// See clock_gettime(2).
package func currentTime() -> Int64 { realTimeNanoseconds() / 1_000_000_000 }

/// The time, as files have it.
///
/// See clock_gettime(2).
package func currentFileTime() -> FileTime { FileTime(nanosecondsSinceEpoch: realTimeNanoseconds()) }

/// Nanoseconds since 1970 in UTC.
///
/// See clock_gettime(2).
package func realTimeNanoseconds() -> Int64 { nanoseconds(of: CLOCK_REALTIME) }

/// Nanoseconds of a clock that cannot be set; only differences mean something.
///
/// See clock_gettime(2).
package func monotonicNanoseconds() -> Int64 { nanoseconds(of: CLOCK_MONOTONIC) }

private func nanoseconds(of clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
}

/// Keeps the calling thread from running for a while, for what cannot be waited for in another way.
///
/// See nanosleep(2).
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func pauseThread(for duration: Duration) {
    let (seconds, attoseconds) = duration.components
    var rest = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    while true {
        var left = timespec()
        if nanosleep(&rest, &left) == 0 || Glibc.errno != EINTR { return }
        rest = left
    }
}

/// How many processors this process may use.
///
/// See sysconf(3).
package func availableProcessorCount() -> Int { max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))) }
