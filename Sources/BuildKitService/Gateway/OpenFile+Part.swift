import LinuxSystem

extension OpenFile {
    /// Reads a part of the file.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func read(from offset: Int64, limit: Int) throws(SystemCallError) -> [UInt8] {
        var content: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { buffer.deallocate() }
        while content.count < limit {
            let wanted = min(buffer.count, limit - content.count)
            let count = try read(
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]),
                at: offset + Int64(content.count)
            )
            if count == 0 { break }
            content += buffer[..<count]
        }
        return content
    }
}
