import CISAL
import LinuxSystem
import SystemPackage

/// Decompresses gzip (RFC 1952): one or more members, checksums verified, nothing but members allowed.
package final class GzipSource: ByteSource {
    private let input: InputBuffer
    private let state: OpaquePointer
    private var isBetweenMembers = false
    private var isAtStart = true

    package init(_ source: any ByteSource) throws {
        guard let state = slipway_gunzip_create() else { throw SystemCallError("calloc", errno: .noMemory) }
        self.state = state
        input = InputBuffer(source)
    }

    deinit { slipway_gunzip_destroy(state) }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        guard let output = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return 0 }
        let capacity = UInt32(clamping: buffer.count)
        while true {
            let available = try input.available()
            if available.isEmpty, isBetweenMembers || isAtStart { return 0 }
            if isBetweenMembers {
                guard available[0] == 0x1f else {
                    throw ArchiveError.damagedCompression(.gzip, reason: "there is something else after the end")
                }
                slipway_gunzip_reset(state)
                isBetweenMembers = false
            }
            isAtStart = false
            var consumed: UInt32 = 0
            var produced: UInt32 = 0
            var finished: CInt = 0
            let code = slipway_gunzip_step(
                state,
                available.baseAddress?.assumingMemoryBound(to: UInt8.self),
                UInt32(available.count),
                &consumed,
                output,
                capacity,
                &produced,
                &finished
            )
            guard code == 0 else { throw ArchiveError.damagedCompression(.gzip, reason: Self.reason(code)) }
            input.consume(Int(consumed))
            if finished != 0 { isBetweenMembers = true }
            if produced > 0 { return Int(produced) }
            if available.isEmpty, finished == 0 { throw ArchiveError.truncated(entry: nil) }
        }
    }

    private static func reason(_ code: CInt) -> String {
        switch code {
        case -1: "invalid block"
        case -2: "invalid symbol"
        case -3: "invalid distance"
        case -4: "invalid header"
        case -5: "unsupported method"
        case -6: "the checksum does not match"
        default: "error \(code)"
        }
    }
}

/// Compresses to one gzip member, in parallel blocks of 1 MiB that do not depend on each other.
///
/// The block size is fixed, so the bytes are the same for any number of threads. The header carries no name and no time.
package final class GzipSink: ByteSink {
    private static let blockSize = 1 << 20

    /// One block on its way: filled, then compressed by a worker, then written in its turn.
    private final class Block: @unchecked Sendable {
        // Passed from thread to thread through queues; only its holder touches it.
        let input = UnsafeMutableRawBufferPointer.allocate(byteCount: blockSize, alignment: 64)
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: slipway_deflate_bound(blockSize), alignment: 64)
        var inputCount = 0
        var outputCount: Int64 = 0
        var isLast = false
        let done = BlockingQueue<Bool>(capacity: 1)

        deinit {
            input.deallocate()
            output.deallocate()
        }
    }

    private let sink: any ByteSink
    private let limit: Int
    private let waiting: BlockingQueue<Block>
    private var workers: [JoinableThread] = []
    private var inFlight: [Block] = []
    private var spare: [Block] = []
    private var current: Block
    private var checksum: UInt32 = 0
    private var size: UInt32 = 0
    private var isFinished = false

    /// Writes the header.
    /// - Parameters:
    ///   - sink: takes the compressed bytes.
    ///   - level: 1 to 9, mapped onto ISA-L's three levels; nil for the fastest.
    ///   - threads: how many blocks are compressed at once.
    /// - Throws: what the sink throws; `SystemCallError` if no thread can be made.
    package init(_ sink: any ByteSink, level: Int?, threads: Int) throws {
        let count = min(max(threads, 1), 8)
        self.sink = sink
        limit = count * 2
        waiting = BlockingQueue(capacity: count * 2)
        current = Block()
        // RFC 1952: deflate, no flags, no time, no extra flags, operating system unknown.
        try sink.write([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])
        let igzipLevel: UInt32 =
            switch level ?? 1 {
            case ...3: 1
            case ...6: 2
            default: 3
            }
        let waiting = waiting
        for _ in 0..<count {
            workers.append(try JoinableThread { Self.work(waiting, level: igzipLevel) })
        }
    }

    deinit { stop() }

    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        checksum = slipway_crc32(checksum, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
        size = size &+ UInt32(truncatingIfNeeded: bytes.count)
        var rest = bytes
        while !rest.isEmpty {
            if current.inputCount == Self.blockSize { try submit() }
            let count = min(rest.count, Self.blockSize - current.inputCount)
            UnsafeMutableRawBufferPointer(rebasing: current.input[current.inputCount...])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
            current.inputCount += count
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    package func finish() throws {
        guard !isFinished else { return }
        isFinished = true
        current.isLast = true
        try submit()
        while !inFlight.isEmpty { try emitOldest() }
        stop()
        var trailer: [UInt8] = []
        for value in [checksum, size] { withUnsafeBytes(of: value.littleEndian) { trailer.append(contentsOf: $0) } }
        try sink.write(trailer)
    }

    private func submit() throws {
        if inFlight.count >= limit { try emitOldest() }
        let block = current
        inFlight.append(block)
        _ = waiting.push(block)
        if !isFinished { current = spare.popLast() ?? Block() }
    }

    private func emitOldest() throws {
        let block = inFlight.removeFirst()
        guard block.done.pop() == true, block.outputCount >= 0 else {
            throw ArchiveError.damagedCompression(.gzip, reason: "a block could not be compressed")
        }
        try sink.write(UnsafeRawBufferPointer(rebasing: block.output[..<Int(block.outputCount)]))
        block.inputCount = 0
        spare.append(block)
    }

    private func stop() {
        waiting.close()
        for worker in workers { worker.join() }
        workers = []
    }

    private static func work(_ waiting: BlockingQueue<Block>, level: UInt32) {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: Int(slipway_deflate_memory(level)))
        defer { memory.deallocate() }
        while let block = waiting.pop() {
            if let output = block.output.baseAddress?.assumingMemoryBound(to: UInt8.self) {
                block.outputCount = slipway_deflate_block(
                    level,
                    memory,
                    block.input.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    UInt32(block.inputCount),
                    output,
                    UInt32(block.output.count),
                    block.isLast ? 1 : 0
                )
            }
            _ = block.done.push(true)
        }
    }
}
