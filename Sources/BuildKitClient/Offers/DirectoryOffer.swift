internal import BuildKitProto
internal import FileSync
internal import GRPCCore
internal import LinuxSystem
internal import RPC
internal import SystemPackage
internal import Text

/// Sends directories as they are asked for by name: contexts, and what is beside a Dockerfile.
struct DirectoryOffer: Offer {
    private static let service = "moby.filesync.v1.FileSync"

    let directories: [String: FilePath]

    var methods: [String] { ["/\(Self.service)/DiffCopy"] }

    func register(in methods: inout MethodTable) {
        methods.stream(Self.service, "DiffCopy") {
            (input: RPCInput<Fsutil_Types_Packet>, context, output: RPCOutput<Fsutil_Types_Packet>) in
            let wanted = WantedFiles(context)
            guard let path = directories[wanted.directory] else {
                let name = escapedForDisplay(Array(wanted.directory.utf8))
                throw RPCFailure(.notFound, "no access allowed to dir \"\(name)\"")
            }
            let (root, selection) = try await onBlockingPool {
                let root = try RootedDirectory(path, isOutside: true)
                let selection = try FileSelection(
                    includes: wanted.includes,
                    excludes: wanted.excludes,
                    following: wanted.followed,
                    in: root
                )
                return (root, selection)
            }
            let sender = FileSender(from: root, selection: selection, owners: .fixed(user: 0, group: 0))
            try await sender.run(CalledPackets(input, output))
        }
    }
}

/// What a daemon asks for of a directory, in the metadata of its call.
struct WantedFiles: Sendable, Hashable {
    let directory: String
    let includes: [[UInt8]]
    let excludes: [[UInt8]]
    let followed: [[UInt8]]

    /// - Parameter values: gives the values under a key.
    init(_ values: (String) -> [String]) {
        func list(_ key: String) -> [[UInt8]] {
            let texts = values(key)
            let isEscaped =
                values(key + "-encoded").first.map { ["1", "t", "true"].contains($0.lowercased()) } ?? false
            return texts.map { isEscaped ? Self.unescaped(Array($0.utf8)) : Array($0.utf8) }
        }
        directory = list("dir-name").first.map { String(decoding: $0, as: UTF8.self) } ?? ""
        includes = list("include-patterns")
        excludes = list("exclude-patterns")
        followed = list("followpaths")
    }

    init(_ context: RPCContext) { self.init(context.values) }

    /// As in the query of an address; what is no escape stays as it is.
    private static func unescaped(_ text: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = text[...]
        while let byte = rest.popFirst() {
            if byte == "+" {
                bytes.append(" ")
            } else if byte == "%", rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }
}

/// The packets of a call from the daemon.
///
/// Not checked by the compiler: the iterator is used by one task at a time, as `PacketChannel` promises.
private final class CalledPackets: PacketChannel, @unchecked Sendable {
    private var input: RPCInput<Fsutil_Types_Packet>.AsyncIterator
    private let output: RPCOutput<Fsutil_Types_Packet>

    init(_ input: RPCInput<Fsutil_Types_Packet>, _ output: RPCOutput<Fsutil_Types_Packet>) {
        self.input = input.makeAsyncIterator()
        self.output = output
    }

    func next() async throws -> Fsutil_Types_Packet? { try await input.next() }

    func send(_ packet: Fsutil_Types_Packet) async throws { try await output.write(packet) }
}
