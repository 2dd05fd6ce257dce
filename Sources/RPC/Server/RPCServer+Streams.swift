package import LinuxSystem
internal import NIOCore
internal import NIOPosix
internal import Tasks

extension RPCServer {
    /// Serves one peer that is at the other end of two byte streams, until one of them ends or the task is cancelled.
    /// - Parameters:
    ///   - reader: what the peer writes.
    ///   - writer: what it reads.
    /// - Throws: what reading and writing throws.
    package func serve(reading reader: ByteReader, writing writer: ByteWriter) async throws {
        let channel = MemoryChannel<ByteBuffer>(eventLoop: MultiThreadedEventLoopGroup.singleton.next())
        let isReady = Promise<Void>()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { isReady.keep(()) }
                try await self.serve([]) { _ in isReady.keep(()) }
            }
            await isReady.value()
            group.addTask {
                defer { channel.finishDelivery() }
                while let bytes = try await reader.read() {
                    await channel.deliver(ByteBuffer(bytes: bytes), size: bytes.count)
                }
            }
            group.addTask {
                defer { channel.abandon() }
                while let piece = await channel.nextPiece() { try await writer.write(Array(piece.readableBytesView)) }
            }
            group.addTask {
                try await self.adopt(channel).get()
                try await channel.eventLoop.submit { channel.activate() }.get()
                try await channel.closeFuture.get()
            }
            defer {
                self.stop()
                group.cancelAll()
            }
            try await group.next()
        }
    }
}
