import LinuxSystem
import Text

/// Sparse files: which pieces of a file the stored bytes are.
extension TarReader {
    enum Sparse { case none, gnu, pax }

    func sparseKind(_ header: TarHeader, _ extended: PAXRecords?) throws(ArchiveError) -> Sparse {
        let isExtended = extended?.records.contains { $0.key.starts(with: "GNU.sparse.") } ?? false
        guard header.typeFlag == "S" else { return isExtended ? .pax : .none }
        guard !isExtended, header.format == .gnu else {
            throw .invalidHeader(reason: "it mixes two kinds of sparse file", entry: header.name)
        }
        return .gnu
    }

    /// The map of the GNU format: four pieces in the header, then blocks of 21.
    func oldSparseMap(_ header: TarHeader, _ path: [UInt8]) throws -> ([TarEntry.Piece], Int64) {
        var map: [TarEntry.Piece] = []
        let size = try header.number(483..<495, "size")
        /// Adds the pieces of one block; false after the last one.
        func add(_ block: TarHeader, at offset: Int, count: Int) throws {
            for index in 0..<count {
                let place = offset + index * 24
                if block.bytes[place] == 0 { return }
                map.append(
                    TarEntry.Piece(
                        offset: try block.number(place..<place + 12, "sparse map"),
                        count: try block.number(place + 12..<place + 24, "sparse map")
                    )
                )
            }
        }
        try add(header, at: 386, count: 4)
        var isExtended = header.bytes[482] != 0
        while isExtended {
            guard map.count <= limits.sparsePieces else {
                throw ArchiveError.overLimit(what: "pieces in one sparse file", limit: Int64(limits.sparsePieces))
            }
            start += TarHeader.size
            guard try fill(TarHeader.size) else { throw ArchiveError.truncated(entry: path) }
            let block = TarHeader(extension: UnsafeRawBufferPointer(rebasing: buffer[start..<start + TarHeader.size]))
            try add(block, at: 0, count: 21)
            isExtended = block.bytes[504] != 0
        }
        return (map, size)
    }

    /// The map of the PAX formats: 0.0 and 0.1 in the records, 1.0 in front of the content.
    func paxSparseMap(_ records: PAXRecords, _ path: [UInt8]) throws -> (pieces: [TarEntry.Piece], size: Int64) {
        func invalid() -> ArchiveError { .invalidHeader(reason: "damaged sparse map", entry: path) }
        let major = try records.number("GNU.sparse.major") ?? 0
        let minor = try records.number("GNU.sparse.minor") ?? 0
        if major == 1, minor == 0 {
            guard let size = try records.number("GNU.sparse.realsize") else { throw invalid() }
            return (try leadingMap(path), size)
        }
        guard major == 0, minor <= 1, let size = try records.number("GNU.sparse.size") else { throw invalid() }
        var numbers: [Int64] = []
        if let map = try records.single("GNU.sparse.map") {
            for text in map.split(separator: ",", omittingEmptySubsequences: false) {
                guard let number = decimal(text) else { throw invalid() }
                numbers.append(number)
            }
        } else {
            for record in records.records {
                let expected = numbers.count.isMultiple(of: 2) ? "GNU.sparse.offset" : "GNU.sparse.numbytes"
                guard ["GNU.sparse.offset", "GNU.sparse.numbytes"].contains(where: { record.key == Array($0.utf8) })
                else {
                    continue
                }
                guard record.key == Array(expected.utf8), let number = decimal(record.value[...]) else {
                    throw invalid()
                }
                numbers.append(number)
            }
        }
        guard numbers.count.isMultiple(of: 2),
            try records.number("GNU.sparse.numblocks").map({ $0 == Int64(numbers.count / 2) }) ?? true
        else { throw invalid() }
        return (try pieces(numbers), size)
    }

    /// Lines of decimal numbers in whole blocks: how many pieces, then the offset and length of each.
    private func leadingMap(_ path: [UInt8]) throws -> [TarEntry.Piece] {
        var numbers: [Int64] = []
        var line: [UInt8] = []
        var wanted: Int64?
        while wanted.map({ Int64(numbers.count) < $0 * 2 }) ?? true {
            guard remaining >= 512, try fill(512) else { throw ArchiveError.truncated(entry: path) }
            for byte in buffer[start..<start + 512] {
                if byte != 0x0a {
                    line.append(byte)
                    continue
                }
                guard line.count <= 20, let number = decimal(line[...]) else {
                    throw ArchiveError.invalidHeader(reason: "damaged sparse map", entry: path)
                }
                line = []
                if let wanted {
                    numbers.append(number)
                    if Int64(numbers.count) == wanted * 2 { break }
                } else {
                    guard number <= Int64(limits.sparsePieces) else {
                        throw ArchiveError.overLimit(
                            what: "pieces in one sparse file",
                            limit: Int64(limits.sparsePieces)
                        )
                    }
                    wanted = number
                    if number == 0 { break }
                }
            }
            start += 512
            remaining -= 512
        }
        return try pieces(numbers)
    }

    private func pieces(_ numbers: [Int64]) throws(ArchiveError) -> [TarEntry.Piece] {
        guard numbers.count / 2 <= limits.sparsePieces else {
            throw .overLimit(what: "pieces in one sparse file", limit: Int64(limits.sparsePieces))
        }
        return stride(from: 0, to: numbers.count, by: 2).map { index in
            TarEntry.Piece(offset: numbers[index], count: numbers[index + 1])
        }
    }

    /// Pieces ascend, do not overlap, end within the file and hold exactly what is stored.
    func checkMap(_ map: [TarEntry.Piece], size: Int64, _ path: [UInt8]) throws(ArchiveError) {
        let invalid = ArchiveError.invalidHeader(reason: "its sparse map contradicts itself", entry: path)
        guard size >= 0, size <= limits.expandedBytes else { throw invalid }
        var end: Int64 = 0
        var stored: Int64 = 0
        for piece in map {
            let (next, overflow) = piece.offset.addingReportingOverflow(piece.count)
            guard piece.offset >= end, piece.count >= 0, !overflow, next <= size else { throw invalid }
            end = next
            stored += piece.count
        }
        guard stored == remaining else { throw invalid }
    }
}

extension TarHeader {
    /// A block that continues a GNU sparse map: no header, only numbers.
    init(extension bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        format = .gnu
    }
}
