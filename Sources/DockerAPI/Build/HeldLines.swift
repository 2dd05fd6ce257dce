internal import Synchronization

/// Lines that are held back, as far as there is room for them; the first of them count most.
final class HeldLines: Sendable {
    private let limit: Int
    private let state = Mutex<(lines: [[UInt8]], size: Int)>(([], 0))

    /// - Parameter limit: how many bytes there is room for.
    init(limit: Int) { self.limit = limit }

    func add(_ line: [UInt8]) {
        state.withLock { state in
            guard state.size + line.count <= limit else { return }
            state.lines.append(line)
            state.size += line.count
        }
    }

    func take() -> [[UInt8]] {
        state.withLock { state in
            defer { state = ([], 0) }
            return state.lines
        }
    }
}
