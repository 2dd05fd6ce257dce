internal import LinuxSystem
internal import NIOCore
internal import RPC
internal import Synchronization
internal import SystemPackage

/// An end of a pipe that one task lets go of while others still have the object.
final class PipeEnd: Sendable {
    private let file: Mutex<OpenFile?>

    init(_ file: OpenFile) { self.file = Mutex(file) }

    func take() -> OpenFile? {
        file.withLock { file in
            defer { file = nil }
            return file
        }
    }
}

/// Both ends of a pipe, each of which closes when the task ends that has taken it.
struct PipeEnds: Sendable {
    let reading: PipeEnd
    let writing: PipeEnd

    init() throws(SystemCallError) {
        let pipe = try makePipe()
        reading = PipeEnd(pipe.reading)
        writing = PipeEnd(pipe.writing)
    }
}

extension WebWriter {
    /// Sends what is written to a file, as it is written: the other end of a pipe, which the client's speed fills.
    /// - Parameter produce: writes it.
    /// - Throws: what `produce` throws; what sending throws, where the client is gone.
    func send(written produce: @escaping @Sendable (OpenFile) async throws -> Void) async throws {
        let ends = try PipeEnds()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                guard let file = ends.writing.take() else { return }
                try await produce(file)
            }
            group.addTask {
                // Let go of when this ends, so that what writes does not wait for a client that is gone.
                guard let file = ends.reading.take() else { return }
                let reader = try ByteReader(file)
                while let bytes = try await reader.read() { try await write(bytes) }
            }
            try await group.waitForAll()
        }
    }
}

extension WebBody {
    /// Has the body read as a file, as it comes: the other end of a pipe.
    /// - Parameter consume: reads it.
    /// - Returns: what `consume` does.
    /// - Throws: what `consume` throws, or where the connection ends before the body.
    func read<Value: Sendable>(
        as consume: @escaping @Sendable (OpenFile) async throws -> Value
    ) async throws -> Value {
        let ends = try PipeEnds()
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask {
                guard let file = ends.writing.take() else { return nil }
                let writer = try ByteWriter(file)
                while let piece = try await nextPiece() {
                    do {
                        try await writer.write(Array(piece.readableBytesView))
                    } catch let error as SystemCallError where error.errno == .brokenPipe {
                        // Enough was read.
                        return nil
                    }
                }
                return nil
            }
            group.addTask {
                guard let file = ends.reading.take() else { throw CancellationError() }
                return try await consume(file)
            }
            var result: Value?
            for try await value in group where value != nil { result = value }
            guard let result else { throw CancellationError() }
            return result
        }
    }
}
