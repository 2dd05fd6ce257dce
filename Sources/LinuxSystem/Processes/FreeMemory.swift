internal import CLinux

/// Gives the system the memory back that this process has freed and the C library keeps.
///
/// See malloc_trim(3). It looks at all memory: some milliseconds where there is much.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func releaseFreeMemory() { slipway_release_free_memory() }

/// How many bytes this process has taken from the system and does not use.
///
/// See mallinfo2(3).
package func freeMemory() -> Int { Int(clamping: slipway_free_memory()) }
