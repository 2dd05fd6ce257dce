internal import BuildKitProto
internal import FoundationEssentials
package import LinuxSystem
internal import SystemPackage

/// The end of a file sync that has the files.
///
/// It tells of every entry, in the order of a walk that sorts within each directory, and then sends the content of those
/// that the other end asks for. Sockets are left out.
package struct FileSender: Sendable {
    /// Bytes of content in one packet, as fsutil has it.
    private static let pieceSize = 32 << 10

    private let root: RootedDirectory

    /// - Parameter directory: the tree. What changes in it meanwhile is sent as it was or as it is.
    package init(from directory: RootedDirectory) { root = directory }

    /// Sends the tree.
    /// - Parameters:
    ///   - channel: leads to a receiver; read until that has everything.
    ///   - progress: is told now and then how many bytes of content were sent.
    /// - Throws: `FileSyncError` for what the receiver said or did, `SystemCallError` for what the disk did, and what the
    ///   channel throws. The receiver is told.
    package func run(
        _ channel: any PacketChannel,
        progress: @escaping @Sendable (Int64) -> Void = { _ in }
    ) async throws {
        do {
            let (requests, asked) = AsyncStream<UInt32>.makeStream()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    let files = try await tell(channel)
                    try await send(files, as: requests, channel, progress)
                }
                group.addTask {
                    defer { asked.finish() }
                    try await Self.listen(channel, asked)
                }
                try await group.waitForAll()
            }
            try await channel.send(.finish)
        } catch {
            if !(error is CancellationError) { try? await channel.send(.failure("\(error)")) }
            throw error
        }
    }

    /// Takes what the receiver asks for, until it says that it has everything.
    private static func listen(_ channel: any PacketChannel, _ asked: AsyncStream<UInt32>.Continuation) async throws {
        while let packet = try await channel.next() {
            switch packet.type {
            case .packetReq: asked.yield(packet.id)
            case .packetFin: return
            case .packetErr: throw FileSyncError.receiverFailed([UInt8](packet.data))
            case .packetStat, .packetData, .UNRECOGNIZED:
                throw FileSyncError.unexpectedPacket("a packet of type \(packet.type.rawValue) from a receiver")
            }
        }
        throw FileSyncError.cutShort
    }

    /// Tells of all entries.
    /// - Returns: the paths of the files, by the numbers of their entries.
    private func tell(_ channel: any PacketChannel) async throws -> [UInt32: FilePath] {
        var files: [UInt32: FilePath] = [:]
        var number: UInt32 = 0
        var walk = SendingWalk(root)
        while true {
            let (entries, rest) = try await onBlockingPool { [walk] in
                var walk = walk
                return (try walk.next(atMost: 256), walk)
            }
            walk = rest
            if entries.isEmpty { break }
            for entry in entries {
                if entry.isFile { files[number] = entry.path }
                number += 1
                try await channel.send(.entry(entry.stat))
            }
        }
        try await channel.send(.endOfEntries)
        return files
    }

    private func send(
        _ files: [UInt32: FilePath],
        as requests: AsyncStream<UInt32>,
        _ channel: any PacketChannel,
        _ progress: @Sendable (Int64) -> Void
    ) async throws {
        var files = files
        var sent: Int64 = 0
        for await id in requests {
            guard let path = files.removeValue(forKey: id) else { throw FileSyncError.unknownFile(id: id) }
            let file = try await onBlockingPool { [root] in try root.open(path, [.readOnly, .noFollow, .nonBlocking]) }
            while true {
                let piece = try await onBlockingPool { try Self.piece(of: file) }
                if piece.isEmpty { break }
                try await channel.send(.content(id, piece))
                sent += Int64(piece.count)
                progress(sent)
            }
            try await channel.send(.content(id))
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func piece(of file: OpenFile) throws(SystemCallError) -> Data {
        var data = Data(count: pieceSize)
        let count: Result<Int, SystemCallError> = data.withUnsafeMutableBytes { buffer in
            do throws(SystemCallError) { return .success(try file.read(into: buffer)) } catch { return .failure(error) }
        }
        return data.prefix(try count.get())
    }
}

/// A walk through a tree in the order of file syncs, some entries at a time.
private struct SendingWalk: Sendable {
    struct Entry: Sendable {
        let path: FilePath
        let stat: Fsutil_Types_Stat
        /// Whether its content can be asked for.
        let isFile: Bool
    }

    private struct Inode: Hashable {
        let device: UInt64
        let number: UInt64
    }

    private let root: RootedDirectory
    /// The entries that come next, the first one last.
    private var pending: [FilePath] = []
    private var isBegun = false
    /// Files with several names: the first that was told.
    private var firstNames: [Inode: [UInt8]] = [:]

    init(_ root: RootedDirectory) { self.root = root }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func next(atMost count: Int) throws(SystemCallError) -> [Entry] {
        if !isBegun {
            isBegun = true
            try addChildren(of: "")
        }
        var entries: [Entry] = []
        while entries.count < count, let path = pending.popLast() {
            // What is gone by now was not there.
            guard let status = try root.statusIfPresent(path), status.type != .socket else { continue }
            var stat = try Fsutil_Types_Stat(root, path, status, as: path.bytes)
            var isFile = status.type == .regular
            if isFile, status.linkCount > 1 {
                let inode = Inode(device: status.device, number: status.inode)
                if let first = firstNames[inode] {
                    stat.linkname = Data(first)
                    stat.size = 0
                    isFile = false
                } else {
                    firstNames[inode] = path.bytes
                }
            }
            entries.append(Entry(path: path, stat: stat, isFile: isFile))
            if status.type == .directory { try addChildren(of: path) }
        }
        return entries
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private mutating func addChildren(of directory: FilePath) throws(SystemCallError) {
        let names = try root.entries(of: directory.isEmpty ? "." : directory)
        pending += names.sorted { $1.lexicographicallyPrecedes($0) }
            .map { directory.appending(FilePath(bytes: $0).components) }
    }
}
