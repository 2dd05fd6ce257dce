internal import BuildKitProto
internal import FileSync
internal import GRPCCore
internal import LinuxSystem
internal import NIOCore
internal import RPC
internal import SwiftProtobuf
internal import SystemPackage

extension RemoteOutput {
    /// Whether the daemon sends it as a stream of its own.
    var isReceived: Bool {
        switch destination {
        case .file, .open, .directory: true
        case .none, .layout: false
        }
    }
}

/// Takes what a build gives: archives and directories.
struct OutputOffer: Offer {
    private static let service = "moby.filesync.v1.FileSend"

    let outputs: [RemoteOutput]

    var methods: [String] { ["/\(Self.service)/DiffCopy"] }

    func register(in methods: inout MethodTable) {
        // The messages of an archive are other ones than those of a directory.
        methods.rawStream(Self.service, "DiffCopy") { input, context, output in
            let number = context.value("buildkit-attachable-exporter-id").flatMap { Int($0) } ?? 0
            guard outputs.indices.contains(number), outputs[number].isReceived else {
                throw RPCFailure(.notFound, "the output \(number) is not sent to the client")
            }
            switch outputs[number].destination {
            case .file(let path): try await PendingFile.write(to: path) { try await Self.copy(input, to: $0) }
            case .open(let file): try await Self.copy(input, to: file)
            case .directory(let path, let deletesOthers):
                // Older daemons send each platform by itself: each would delete the others.
                if deletesOthers, context.value("buildkit-exporter-multi-platform") != "1" {
                    throw RPCFailure(
                        .failedPrecondition,
                        "mode=delete of the local output needs a daemon that sends all platforms at once"
                    )
                }
                try await Self.receive(RawPackets(input, output), into: path, deletesOthers: deletesOthers)
            case .none, .layout: break
            }
        }
    }

    private static func copy(_ input: RPCInput<ByteBuffer>, to file: OpenFile) async throws {
        for try await message in input {
            let bytes = try contentOfByteMessage(message)
            try await onBlockingPool { try bytes.withUnsafeReadableBytes { try file.write($0) } }
        }
    }

    private static func receive(_ packets: RawPackets, into path: FilePath, deletesOthers: Bool) async throws {
        let root = try await onBlockingPool {
            try HostFiles.createDirectories(path)
            return try RootedDirectory(path, isOutside: true)
        }
        // A file that belongs to another user is of no use to them.
        let own = ProcessContext.fileOwner
        let owners = FileOwners.fixed(user: own.user, group: own.group)
        _ = try await FileReceiver(
            into: root,
            isMerging: !deletesOthers,
            comparison: deletesOthers ? .metadata : .none,
            owners: owners
        ).run(packets)
    }
}

/// The packets of a call whose messages are as they were sent.
///
/// Not checked by the compiler: the iterator is used by one task at a time, as `PacketChannel` promises.
private final class RawPackets: PacketChannel, @unchecked Sendable {
    private var input: RPCInput<ByteBuffer>.AsyncIterator
    private let output: RPCOutput<ByteBuffer>

    init(_ input: RPCInput<ByteBuffer>, _ output: RPCOutput<ByteBuffer>) {
        self.input = input.makeAsyncIterator()
        self.output = output
    }

    func next() async throws -> Fsutil_Types_Packet? {
        try await input.next().map { try Fsutil_Types_Packet(serializedBytes: Array($0.readableBytesView)) }
    }

    func send(_ packet: Fsutil_Types_Packet) async throws {
        let bytes: [UInt8] = try packet.serializedBytes()
        try await output.write(ByteBuffer(bytes: bytes))
    }
}
