import BuildKitProto
import FileSync
import FoundationEssentials
import SwiftProtobuf
import Synchronization

/// An entry as a client sends it, with the content that it has for it.
struct FakeEntry: Sendable {
    var stat = Fsutil_Types_Stat()
    var content: [UInt8] = []

    static func file(_ path: String, _ content: String = "", mode: UInt32 = 0o644, time: Int64 = 1) -> Self {
        var entry = Self.named(path, mode)
        entry.content = Array(content.utf8)
        entry.stat.size = Int64(entry.content.count)
        entry.stat.modTime = time
        return entry
    }

    static func directory(_ path: String, mode: UInt32 = 0o755, time: Int64 = 2) -> Self {
        var entry = named(path, 1 << 31 | mode)
        entry.stat.modTime = time
        return entry
    }

    static func symbolicLink(_ path: String, _ target: String) -> Self {
        var entry = named(path, 1 << 27 | 0o777)
        entry.stat.linkname = Data(target.utf8)
        return entry
    }

    static func hardLink(_ path: String, _ target: String) -> Self {
        var entry = named(path, 0o644)
        entry.stat.linkname = Data(target.utf8)
        return entry
    }

    static func named(_ path: String, _ mode: UInt32) -> Self {
        var entry = Self()
        entry.stat.path = Data(path.utf8)
        entry.stat.mode = mode
        return entry
    }

    var packet: Fsutil_Types_Packet { .with { $0.stat = stat } }
}

/// A channel to a sender that plays by the protocol, and by a script beside it.
final class FakeSender: PacketChannel {
    private struct State {
        var waiting: [Fsutil_Types_Packet]
        var isEnded: Bool
        var left: Int
        var reader: CheckedContinuation<Void, Never>?
        var heard: [Fsutil_Types_Packet] = []
    }

    private let contents: [[UInt8]]
    private let pieceSize: Int
    private let state: Mutex<State>

    /// Sends a tree, in pieces of so many bytes, and may be gone after some packets.
    init(_ entries: [FakeEntry], pieceSize: Int = 32_768, cutAfter: Int = .max) {
        contents = entries.map(\.content)
        self.pieceSize = pieceSize
        state = Mutex(State(waiting: entries.map(\.packet) + [Fsutil_Types_Packet()], isEnded: false, left: cutAfter))
    }

    /// Sends these packets and nothing else; whether it ends after them or waits for answers.
    init(script: [Fsutil_Types_Packet], ends: Bool = false) {
        contents = []
        pieceSize = 1
        state = Mutex(State(waiting: script, isEnded: ends, left: .max))
    }

    /// What the receiver sent.
    var heard: [Fsutil_Types_Packet] { state.withLock { $0.heard } }
    var requests: [UInt32] { heard.filter { $0.type == .packetReq }.map(\.id) }

    func next() async throws -> Fsutil_Types_Packet? {
        while true {
            try Task.checkCancellation()
            let next: Fsutil_Types_Packet?? = state.withLock { state in
                if state.left == 0 { return .some(nil) }
                if state.waiting.isEmpty { return state.isEnded ? .some(nil) : nil }
                state.left -= 1
                return state.waiting.removeFirst()
            }
            if let next { return next }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isWaiting = state.withLock { state in
                        guard state.waiting.isEmpty, !state.isEnded, !Task.isCancelled else { return false }
                        state.reader = continuation
                        return true
                    }
                    if !isWaiting { continuation.resume() }
                }
            } onCancel: {
                state.withLock { $0.reader.take() }?.resume()
            }
        }
    }

    func send(_ packet: Fsutil_Types_Packet) async throws {
        let reader = state.withLock { state in
            state.heard.append(packet)
            switch packet.type {
            case .packetReq: state.waiting += content(of: packet.id)
            case .packetFin:
                state.waiting.append(.with { $0.type = .packetFin })
                state.isEnded = true
            default: break
            }
            return state.reader.take()
        }
        reader?.resume()
    }

    private func content(of id: UInt32) -> [Fsutil_Types_Packet] {
        guard contents.indices.contains(Int(id)) else { return [] }
        let bytes = contents[Int(id)]
        let starts = stride(from: 0, to: bytes.count, by: pieceSize)
        return starts.map { .data(id, bytes[$0..<min($0 + pieceSize, bytes.count)]) } + [.data(id, [])]
    }
}

extension Fsutil_Types_Packet {
    static func data(_ id: UInt32, _ bytes: some Sequence<UInt8>) -> Self {
        .with {
            $0.type = .packetData
            $0.id = id
            $0.data = Data(bytes)
        }
    }

    static func of(_ type: PacketType) -> Self { .with { $0.type = type } }
}
