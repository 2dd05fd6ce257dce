internal import LinuxSystem
package import OCI
internal import Synchronization
internal import Tasks

/// A blob on its way into the store, which can be read as far as it has come.
///
/// Nothing of it is verified before its end: what is made of it counts only when that was read.
package final class ArrivingBlob: Sendable {
    private let file: OpenFile
    private let count: GrowingCount

    init(_ file: OpenFile, count: Int64) {
        self.file = file
        self.count = GrowingCount(count)
    }

    func grow(to count: Int64) { self.count.grow(to: count) }

    func end(isStored: Bool) { count.end(isWhole: isStored) }

    /// Reads the blob from its start.
    package func makeReader() -> Reader { Reader(file, count) }

    /// It came to no end: whether the blob comes by another attempt is for those to know who fetch it.
    package struct Interrupted: Error {}

    /// Reads a blob while it arrives; used by one thread at a time, but for `interrupt`.
    package final class Reader: Sendable {
        private let file: OpenFile
        private let count: GrowingCount
        private let state = Mutex((position: Int64(0), isInterrupted: false))

        fileprivate init(_ file: OpenFile, _ count: GrowingCount) {
            self.file = file
            self.count = count
        }

        /// Reads on, waiting for more; 0 is the end, and only after it the blob is verified and in the store.
        /// - Throws: `Interrupted`, `SystemCallError`.
        @available(*, noasync, message: "blocks a thread; call it inside `onThreadOfItsOwn`")
        package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
            let position = state.withLock { $0.position }
            switch count.wait(past: position, unless: { state.withLock { $0.isInterrupted } }) {
            case .ended(isWhole: true): return 0
            case .ended(isWhole: false), .interrupted: throw Interrupted()
            case .count(let count):
                let wanted = min(buffer.count, Int(count - position))
                let read = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: position)
                // A file that is shorter than it was has been given up.
                if read == 0 { throw Interrupted() }
                state.withLock { $0.position += Int64(read) }
                return read
            }
        }

        /// Ends the reading, from any thread.
        package func interrupt() {
            state.withLock { $0.isInterrupted = true }
            count.wake()
        }
    }
}

/// The blobs that this process is bringing into the store.
final class ArrivingBlobs: Sendable {
    private struct State {
        var arriving: [Digest: ArrivingBlob] = [:]
        var watches: [Digest: [ArrivalWatch]] = [:]
    }

    private let state = Mutex(State())

    func begin(_ digest: Digest, _ file: OpenFile, count: Int64) -> ArrivingBlob {
        let blob = ArrivingBlob(file, count: count)
        let watches = state.withLock { state in
            state.arriving[digest] = blob
            return state.watches.removeValue(forKey: digest) ?? []
        }
        for watch in watches { watch.promise.keep(blob) }
        return blob
    }

    func end(_ digest: Digest, _ blob: ArrivingBlob, isStored: Bool) {
        blob.end(isStored: isStored)
        state.withLock { state in if state.arriving[digest] === blob { state.arriving[digest] = nil } }
    }

    func watch(_ digest: Digest) -> ArrivalWatch {
        let watch = ArrivalWatch()
        let blob: ArrivingBlob? = state.withLock { state in
            if let blob = state.arriving[digest] { return blob }
            state.watches[digest, default: []].append(watch)
            return nil
        }
        if let blob { watch.promise.keep(blob) }
        return watch
    }

    func end(_ watch: ArrivalWatch, for digest: Digest) {
        watch.promise.keep(nil)
        state.withLock { state in
            state.watches[digest]?.removeAll { $0 === watch }
            if state.watches[digest]?.isEmpty == true { state.watches[digest] = nil }
        }
    }
}

/// A look-out for one blob that is about to arrive.
package final class ArrivalWatch: Sendable {
    fileprivate let promise = Promise<ArrivingBlob?>()

    /// The blob as soon as its first bytes may come; nil where the watch has ended before.
    package func blob() async -> ArrivingBlob? { await promise.value() }
}

extension BlobStore {
    /// Looks out for a blob until `endWatch`, so that it can be read while this process fetches it.
    package func watch(_ digest: Digest) -> ArrivalWatch { arriving.watch(digest) }

    package func endWatch(_ watch: ArrivalWatch, for digest: Digest) { arriving.end(watch, for: digest) }
}
