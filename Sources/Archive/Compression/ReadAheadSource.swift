import LinuxSystem
import Synchronization

/// Reads a source on a thread of its own, a few buffers ahead: decompression beside hashing and writing.
///
/// Memory is `buffers` times `bufferSize`, whatever the source holds. The source is left to that thread until `close`.
package final class ReadAheadSource: ByteSource {
    private struct Chunk: @unchecked Sendable {
        // Owned by the thread that took it from a queue.
        let memory: UnsafeMutableRawBufferPointer
        var count = 0
    }

    private enum Message: Sendable {
        case chunk(Chunk)
        case failed(any Error)
    }

    private struct Handed: @unchecked Sendable {
        // Used by the reading thread only, from its start to its end.
        let source: any ByteSource
    }

    private let memory: [Chunk]
    private let filled: BlockingQueue<Message>
    private let free: BlockingQueue<Chunk>
    private var thread: JoinableThread?
    private var current: Chunk?
    private var position = 0
    private var failure: (any Error)?

    /// Starts reading at once.
    /// - Throws: `SystemCallError` when no thread can be started.
    package init(_ source: any ByteSource, bufferSize: Int = 512 << 10, buffers: Int = 4) throws {
        memory = (0..<buffers).map { _ in Chunk(memory: .allocate(byteCount: bufferSize, alignment: 64)) }
        let filled = BlockingQueue<Message>(capacity: buffers + 1)
        let free = BlockingQueue<Chunk>(capacity: buffers)
        self.filled = filled
        self.free = free
        let handed = Handed(source: source)
        let chunks = memory
        thread = try JoinableThread {
            for chunk in chunks { _ = free.push(chunk) }
            Self.readAll(handed.source, free, filled)
        }
    }

    deinit {
        stop()
        for chunk in memory { chunk.memory.deallocate() }
    }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while current == nil {
            if let failure { throw failure }
            switch filled.pop() {
            case nil: return 0
            case .failed(let error): failure = error
            case .chunk(let chunk):
                current = chunk
                position = 0
            }
        }
        guard let chunk = current else { return 0 }
        let count = min(buffer.count, chunk.count - position)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: chunk.memory[position..<position + count]))
        position += count
        if position == chunk.count {
            current = nil
            _ = free.push(Chunk(memory: chunk.memory))
        }
        return count
    }

    /// Ends the thread; nothing can be read afterwards.
    package func close() { stop() }

    private func stop() {
        filled.close()
        free.close()
        thread?.join()
        thread = nil
    }

    private static func readAll(
        _ source: any ByteSource,
        _ free: BlockingQueue<Chunk>,
        _ filled: BlockingQueue<Message>
    ) {
        defer { filled.close() }
        do {
            while var chunk = free.pop() {
                while chunk.count < chunk.memory.count {
                    let rest = UnsafeMutableRawBufferPointer(rebasing: chunk.memory[chunk.count...])
                    let count = try source.read(into: rest)
                    if count == 0 {
                        if chunk.count > 0 { _ = filled.push(.chunk(chunk)) }
                        return
                    }
                    chunk.count += count
                }
                if !filled.push(.chunk(chunk)) { return }
            }
        } catch {
            _ = filled.push(.failed(error))
        }
    }
}
