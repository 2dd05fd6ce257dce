extension OpenFile {
    /// Gives out what the file has from an offset on, in pieces that are read on threads that may block.
    package func pieces(from offset: Int64 = 0, _ receive: ([UInt8]) async throws -> Void) async throws {
        var position = offset
        while true {
            let bytes = try await onBlockingPool { [position] in
                var bytes = [UInt8](repeating: 0, count: 1 << 20)
                let count = try bytes.withUnsafeMutableBytes { try self.read(into: $0, at: position) }
                bytes.removeLast(bytes.count - count)
                return bytes
            }
            if bytes.isEmpty { return }
            position += Int64(bytes.count)
            try await receive(bytes)
        }
    }
}
