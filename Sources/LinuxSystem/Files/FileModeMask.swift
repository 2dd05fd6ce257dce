internal import Glibc
internal import Synchronization

/// The file mode creation mask of this program and of the one that started it.
///
/// See umask(2).
///
/// What is made for containers, images and the store must not depend on the caller's mask. So the program runs under a mask
/// of its own, and its children inherit it. Files for the caller are made under the caller's mask.
package enum FileModeMask {
    private static let callers = Mutex<UInt32?>(nil)

    /// Replaces the caller's mask with the program's own, 022, and remembers it.
    ///
    /// Called once, before there is a second thread.
    package static func takeOver() {
        let previous = UInt32(umask(0o022))
        callers.withLock { $0 = $0 ?? previous }
    }

    /// Puts the caller's mask back, for a program that takes this one's place.
    static func giveBack() {
        if let mask = callers.withLock({ $0 }) { umask(mode_t(mask)) }
    }

    /// What the caller's mask leaves of a mode; all of it where the caller's mask is still in force.
    package static func callersShare(of mode: UInt32) -> UInt32 { mode & ~(callers.withLock { $0 } ?? 0) }
}
