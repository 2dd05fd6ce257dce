package import LinuxSystem
import Storage
import SystemPackage

/// A place in what a container writes, from which on a client is to have it.
package struct OutputPlace: Sendable {
    package let container: ContainerRecord
    let position: EventJournal.Position
    /// In the container's log.
    let offset: Int64
    /// Keeps a container that goes with its end until its output was found.
    let hold: FileLock?
}

/// Clients that come and go beside a container that a monitor keeps.
///
/// They read its output from its log, however slow they are and whatever process started it; what they type goes to the monitor.
extension ContainerStore {
    /// The place where a container's output is now.
    package func outputPlace(of container: ContainerRecord) async throws -> OutputPlace {
        // In this order: what happens after the first is told.
        let position = try await journal.end()
        let current = try await self.container(container.id)
        let path = log(of: current)
        let exits = exits(of: current)
        return try await onBlockingPool {
            OutputPlace(
                container: current,
                position: position,
                offset: try HostFiles.status(of: path)?.size ?? 0,
                hold: try? FileLock.tryAcquire(directory: exits, .shared)
            )
        }
    }

    /// Hands on what a container has written before a place.
    package func earlierOutput(
        before place: OutputPlace,
        show: ([ContainerLogLine]) async throws -> Void
    ) async throws {
        var selection = LogSelection()
        selection.end = place.offset
        try await logs(of: place.container, selection, show: show)
    }

    /// Hands on what a container writes from a place on, until it has ended; one that does not run is waited for.
    /// - Parameters:
    ///   - place: where to begin.
    ///   - running: is told of the container when it runs, or has run already.
    ///   - show: takes some lines at a time.
    /// - Throws: what `show` throws, `CancellationError`.
    package func followOutput(
        from place: OutputPlace,
        running: (ContainerRecord) -> Void = { _ in },
        show: ([ContainerLogLine]) async throws -> Void
    ) async throws {
        defer { withExtendedLifetime(place.hold) {} }
        var container = place.container
        if container.state.status != .running {
            guard let started = try await waitForStart(of: container, after: place.position) else { return }
            container = started
        }
        running(container)
        var selection = LogSelection()
        selection.start = place.offset
        selection.follows = true
        try await logs(of: container, selection, show: show)
    }

    /// The other end of the input of a container that a monitor keeps.
    /// - Throws: `ContainerError.noInput` for one that has none, or whose input ended with the command that it is attached to.
    package func input(of container: ContainerRecord) async throws -> ContainerInput {
        guard container.configuration.keepsInput, container.state.run?.isNested == false else {
            throw ContainerError.noInput(id: container.id)
        }
        let path = bundle(of: container).appending("attach")
        return try await onBlockingPool {
            do throws(SystemCallError) {
                return ContainerInput(try connectLocalSocket(path, keepsMessages: true))
            } catch {
                throw ContainerError.noInput(id: container.id)
            }
        }
    }

    /// Gives the terminal of a container that a monitor keeps another size.
    /// - Throws: `ContainerError.notRunning`.
    package func resize(_ container: ContainerRecord, to size: TerminalSize) async throws {
        guard let run = container.state.run, !run.isNested else { throw ContainerError.notRunning(id: container.id) }
        guard container.configuration.hasTerminal else { return }
        let path = bundle(of: container).appending("ctl")
        try await onBlockingPool {
            do throws(SystemCallError) {
                // See conmon(8): a message of one line, of which 1 is the kind.
                try OpenFile.open(path, [.writeOnly, .nonBlocking]).write(
                    Array("1 \(size.rows) \(size.columns)\n".utf8)
                )
            } catch {
                throw ContainerError.notRunning(id: container.id)
            }
        }
        await tell(.resize, of: container, ["height": "\(size.rows)", "width": "\(size.columns)"])
    }

    func bundle(of container: ContainerRecord) -> FilePath { directory(of: container.id).appending("bundle") }
}

/// What is typed for a container, on its way to the monitor.
package final class ContainerInput: Sendable {
    /// The monitor reads no more of a message.
    private static let pieceSize = 8192

    private let socket: OpenFile

    init(_ socket: OpenFile) { self.socket = socket }

    /// Writes bytes, as the container reads them.
    /// - Throws: `SystemCallError` where it reads no more.
    package func write(_ bytes: [UInt8]) async throws {
        let writer = try ByteWriter(try socket.duplicate())
        var rest = bytes[...]
        while !rest.isEmpty {
            try await writer.write(Array(rest.prefix(Self.pieceSize)))
            rest = rest.dropFirst(Self.pieceSize)
        }
    }

    /// Says that nothing more comes: the container reads the end of its input, if it was made so.
    package func finish() throws { try socket.finishWriting() }

    /// Reads and drops what the monitor sends here of the container's output, which clients have of its log.
    package func drain() async throws {
        let reader = try ByteReader(try socket.duplicate())
        while try await reader.read() != nil {}
    }
}
