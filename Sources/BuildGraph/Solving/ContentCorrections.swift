internal import Synchronization

/// What running a vertex found an input to hold, where that is not what its key was computed of.
///
/// A directory of the client may change between the two. The result is then kept under the key of what was used, and the keys of
/// the vertices that use it follow: no key ever names bytes that it was not computed of.
final class ContentCorrections: Sendable {
    private let state = Mutex<[Int: ContentKey]>([:])

    /// By the number of the input.
    var all: [Int: ContentKey] { state.withLock { $0 } }

    func note(_ key: ContentKey, ofInput input: Int) { state.withLock { $0[input] = key } }
}
