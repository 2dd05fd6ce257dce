internal import LinuxSystem
internal import SystemPackage
internal import Terminal
internal import Text

/// `slipway system dial-stdio`: carries a connection to the daemon over the standard streams, for those that reach it
/// by running a program, over ssh or in a container.
struct DialCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "",
        summary: "Connect standard input and output with the daemon",
        arguments: .none,
        place: .anywhere
    )
    static let flags: [Flag<DialCommand>] = [
        .bytes("addr", \.address, help: "Address of the daemon (unix://PATH)")
    ]

    var arguments: [[UInt8]] = []
    var address: [UInt8]?

    /// How long the daemon may go on talking after the other side has said its last word.
    private static let patience = Duration.seconds(10)

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let address = address ?? environment.usualDaemonAddress
        guard address.starts(with: "unix://".utf8) else {
            throw CommandFailure("Error: invalid address \(escapedForDisplay(address)); give unix://PATH")
        }
        let path = FilePath(bytes: Array(address.dropFirst("unix://".utf8.count)))
        let socket = try await onBlockingPool { try connectLocalSocket(path, keepsMessages: false) }
        let (reader, writer) = (try ByteReader(socket), try ByteWriter(socket))
        let input = try ByteReader(environment.input.duplicate())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while let bytes = try await reader.read() { try await environment.output.write(bytes) }
            }
            group.addTask {
                while let bytes = try await input.read() { try await writer.write(bytes) }
                try await Task.sleep(for: Self.patience)
            }
            // The first to end is the last.
            try await group.next()
            group.cancelAll()
        }
        return .success
    }
}
