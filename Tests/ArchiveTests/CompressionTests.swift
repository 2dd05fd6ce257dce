import Archive
import LinuxSystem
import Testing

/// Runs blocking code on a thread that may block.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await onBlockingPool(body)
}

/// Bytes that compress somewhat and differ everywhere.
func sampleBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed
    return (0..<count).map { index in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return index % 7 < 4 ? UInt8(truncatingIfNeeded: index / 64) : UInt8(truncatingIfNeeded: state >> 60)
    }
}

@available(*, noasync)
func compress(_ bytes: [UInt8], _ compression: Compression, threads: Int) throws -> [UInt8] {
    let memory = MemorySink()
    let sink = try compressing(into: memory, compression, threads: threads)
    try sink.write(bytes)
    try sink.finish()
    return memory.bytes
}

@Suite struct `Compressed streams` {
    @Test(arguments: [
        Compression.gzip, Compression(.gzip, level: 0), Compression(.gzip, level: 9), .zstd,
        Compression(.zstd, level: 0), Compression(.zstd, level: 19), .uncompressed,
    ])
    func `what was compressed comes back`(_ compression: Compression) async throws {
        try await blocking {
            for count in [0, 1, 511, 1 << 20, (1 << 20) + 1, 3_500_000] {
                let bytes = sampleBytes(count)
                let compressed = try compress(bytes, compression, threads: 2)
                let (format, source) = try decompressing(MemorySource(compressed))
                #expect(format == compression.format || compression == .uncompressed)
                #expect(try source.readToEnd() == bytes)
            }
        }
    }

    @Test(arguments: [
        Compression.gzip, Compression(.gzip, level: 0), Compression(.gzip, level: 6), Compression(.gzip, level: 9),
        .zstd,
        Compression(.zstd, level: 9),
    ])
    func `the number of threads does not change the bytes`(_ compression: Compression) async throws {
        try await blocking {
            let block = sampleBytes(300_007)
            let bytes = (0..<30).reduce(into: [UInt8]()) { all, _ in all += block }
            let one = try compress(bytes, compression, threads: 1)
            for threads in [2, 7, 8] { #expect(try compress(bytes, compression, threads: threads) == one) }
        }
    }

    @Test func `level 0 of gzip only stores, and higher ones give fewer bytes`() async throws {
        try await blocking {
            // Text of a few words: what a better search for repetitions shortens.
            let words = ["layer", "of", "an", "image", "compressed", "again", "\n"].map { Array($0.utf8) + [0x20] }
            let bytes = sampleBytes(40_000).flatMap { words[Int($0) % words.count] }
            let sizes = try [0, 1, 4, 9].map { try compress(bytes, Compression(.gzip, level: $0), threads: 2).count }
            #expect(sizes[0] > bytes.count && sizes[0] < bytes.count + 100)
            #expect(sizes[1] < sizes[0] && sizes[2] < sizes[1] && sizes[3] <= sizes[2])
        }
    }

    @Test func `levels that give the same bytes have the same recipe`() {
        func recipe(_ format: CompressionFormat, _ level: Int?) -> String { Compression(format, level: level).recipe }
        #expect(recipe(.gzip, nil) == recipe(.gzip, 1))
        #expect(recipe(.gzip, 0) != recipe(.gzip, 1))
        #expect(recipe(.gzip, 9) != recipe(.gzip, 1))
        #expect(recipe(.gzip, 9) != recipe(.estargz, 9))
        #expect(recipe(.zstd, nil) == recipe(.zstd, 3))
        #expect(recipe(.zstd, 22) != recipe(.zstd, 21))
    }

    @Test(arguments: [Compression.gzip, .zstd])
    func `joined members and frames are one stream`(_ compression: Compression) async throws {
        try await blocking {
            let first = sampleBytes(100_000, seed: 1)
            let second = sampleBytes(300_000, seed: 2)
            let joined = try compress(first, compression, threads: 1) + compress(second, compression, threads: 1)
            #expect(try decompressing(MemorySource(joined)).source.readToEnd() == first + second)
        }
    }

    @Test(arguments: [Compression.gzip, .zstd])
    func `a cut or a flipped bit is an error`(_ compression: Compression) async throws {
        try await blocking {
            let whole = try compress(sampleBytes(50_000), compression, threads: 1)
            for length in stride(from: 1, to: whole.count, by: 977) where length > 6 {
                #expect(throws: ArchiveError.self) {
                    try decompressing(MemorySource(Array(whole[..<length]))).source.drain()
                }
            }
            for place in stride(from: 30, to: whole.count, by: 977) {
                var flipped = whole
                flipped[place] ^= 0x10
                #expect(throws: ArchiveError.self) { try decompressing(MemorySource(flipped)).source.drain() }
            }
        }
    }

    @Test func `something after the last gzip member is refused`() async throws {
        try await blocking {
            let whole = try compress(sampleBytes(5000), .gzip, threads: 1) + [0, 0, 0]
            #expect(throws: ArchiveError.self) { try decompressing(MemorySource(whole)).source.drain() }
        }
    }

    @Test func `a limit on what comes out stops a bomb`() async throws {
        try await blocking {
            let bomb = try compress([UInt8](repeating: 0, count: 64 << 20), .zstd, threads: 1)
            #expect(bomb.count < 100_000)
            let source = DigestingSource(try decompressing(MemorySource(bomb)).source, limit: 1 << 20)
            #expect(throws: ArchiveError.self) { try source.drain() }
        }
    }

    @Test func `reading ahead gives the same bytes and passes errors on`() async throws {
        try await blocking {
            let bytes = sampleBytes(1_000_003)
            #expect(try ReadAheadSource(MemorySource(bytes), bufferSize: 4096, buffers: 3).readToEnd() == bytes)
            let cut = Array(try compress(bytes, .gzip, threads: 1).dropLast(4))
            let ahead = try ReadAheadSource(try decompressing(MemorySource(cut)).source)
            #expect(throws: ArchiveError.self) { try ahead.drain() }
            // Dropped unread: the thread behind it must end.
            _ = try ReadAheadSource(MemorySource(bytes), bufferSize: 512, buffers: 2)
        }
    }
}
