import CISAL
import CZlib
import LinuxSystem

/// Compresses to gzip, in parallel blocks of 1 MiB that do not depend on each other.
///
/// The block size is fixed, so the bytes are the same for any number of threads. Headers carry no name and no time. All is one member
/// unless `beginMember` is called.
package final class GzipSink: ByteSink {
    private static let blockSize = 1 << 20

    /// How much work is done: none, one of ISA-L's three levels, or one of zlib's, which go further and take much longer.
    enum Effort: Sendable, CustomStringConvertible {
        case stored
        case fast(UInt32)
        case thorough(CInt)

        var description: String {
            switch self {
            case .stored: "0"
            case .fast(let level): "\(level)"
            case .thorough(let level): "\(level)"
            }
        }

        /// - Parameter level: gzip's: 0 stores, 1 is the fastest and 9 gives the fewest bytes.
        init(level: Int) {
            self =
                switch level {
                case ...0: .stored
                case ...3: .fast(UInt32(level))
                default: .thorough(CInt(min(level, 9)))
                }
        }
    }

    /// One block on its way: filled, then compressed by a worker, then written in its turn.
    private final class Block: @unchecked Sendable {
        // Passed from thread to thread through queues; only its holder touches it.
        let input = UnsafeMutableRawBufferPointer.allocate(byteCount: blockSize, alignment: 64)
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: slipway_deflate_bound(blockSize), alignment: 64)
        var inputCount = 0
        var outputCount: Int64 = 0
        /// Whether the member's header comes before it.
        var isFirst = false
        /// What comes after the last block of a member; nil for the others.
        var trailer: [UInt8]?
        let done = BlockingQueue<Bool>(capacity: 1)

        deinit {
            input.deallocate()
            output.deallocate()
        }
    }

    // RFC 1952: deflate, no flags, no time, no extra flags, operating system unknown.
    private static let header: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]

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
    /// Bytes given to the sink so far.
    private(set) var count: Int64 = 0
    /// Where in the output each member begins, as far as they are written.
    private(set) var memberStarts: [Int64] = []

    /// Starts the workers.
    /// - Parameters:
    ///   - sink: takes the compressed bytes.
    ///   - level: 0 to 9, where 0 only stores; nil for the fastest that compresses.
    ///   - threads: how many blocks are compressed at once.
    /// - Throws: `SystemCallError` if no thread can be made.
    package init(_ sink: any ByteSink, level: Int?, threads: Int) throws {
        let workers = min(max(threads, 1), 8)
        self.sink = sink
        limit = workers * 2
        waiting = BlockingQueue(capacity: workers * 2)
        current = Block()
        current.isFirst = true
        let waiting = waiting
        let effort = Effort(level: level ?? 1)
        for _ in 0..<workers {
            self.workers.append(try JoinableThread { Self.work(waiting, effort) })
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

    /// Ends the current member: what follows can be read without it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func beginMember() throws {
        try endMember()
        current.isFirst = true
    }

    /// Waits until all members before the current one are written, so that `memberStarts` has them.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func settle() throws {
        while !inFlight.isEmpty { try emitOldest() }
    }

    package func finish() throws {
        guard !isFinished else { return }
        isFinished = true
        try endMember()
        try settle()
        stop()
    }

    private func endMember() throws {
        var trailer: [UInt8] = []
        for value in [checksum, size] { withUnsafeBytes(of: value.littleEndian) { trailer.append(contentsOf: $0) } }
        current.trailer = trailer
        (checksum, size) = (0, 0)
        try submit()
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
        if block.isFirst {
            memberStarts.append(count)
            try pass(Self.header)
        }
        try sink.write(UnsafeRawBufferPointer(rebasing: block.output[..<Int(block.outputCount)]))
        count += block.outputCount
        if let trailer = block.trailer { try pass(trailer) }
        block.inputCount = 0
        block.isFirst = false
        block.trailer = nil
        spare.append(block)
    }

    private func pass(_ bytes: [UInt8]) throws {
        try sink.write(bytes)
        count += Int64(bytes.count)
    }

    private func stop() {
        waiting.close()
        for worker in workers { worker.join() }
        workers = []
    }

    private static func work(_ waiting: BlockingQueue<Block>, _ effort: Effort) {
        switch effort {
        case .stored:
            while let block = waiting.pop() {
                store(block)
                _ = block.done.push(true)
            }
        case .fast(let level):
            let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: Int(slipway_deflate_memory(level)))
            defer { memory.deallocate() }
            while let block = waiting.pop() {
                compress(block, level, memory)
                _ = block.done.push(true)
            }
        case .thorough(let level):
            while let block = waiting.pop() {
                compress(block, level)
                _ = block.done.push(true)
            }
        }
    }

    private static func compress(_ block: Block, _ level: CInt) {
        guard let output = block.output.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        block.outputCount = slipway_zlib_block(
            level,
            block.input.baseAddress?.assumingMemoryBound(to: UInt8.self),
            UInt32(block.inputCount),
            output,
            UInt32(block.output.count),
            block.trailer == nil ? 0 : 1
        )
    }

    private static func compress(_ block: Block, _ level: UInt32, _ memory: UnsafeMutablePointer<UInt8>) {
        guard let output = block.output.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        block.outputCount = slipway_deflate_block(
            level,
            memory,
            block.input.baseAddress?.assumingMemoryBound(to: UInt8.self),
            UInt32(block.inputCount),
            output,
            UInt32(block.output.count),
            block.trailer == nil ? 0 : 1
        )
    }

    /// Deflate's blocks without compression, of at most 65535 bytes each (RFC 1951, 3.2.4).
    private static func store(_ block: Block) {
        var position = 0
        var written = 0
        repeat {
            let length = min(block.inputCount - position, 65_535)
            let isLast = block.trailer != nil && position + length == block.inputCount
            let low = UInt8(length & 0xff)
            let high = UInt8(length >> 8)
            for byte in [isLast ? 1 : 0, low, high, ~low, ~high] {
                block.output[written] = byte
                written += 1
            }
            UnsafeMutableRawBufferPointer(rebasing: block.output[written...])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: block.input[position..<position + length]))
            position += length
            written += length
        } while position < block.inputCount
        block.outputCount = Int64(written)
    }
}
