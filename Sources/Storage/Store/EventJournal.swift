internal import FoundationEssentials
internal import LinuxSystem
internal import SystemPackage
internal import Text

/// One thing that happened to something that a store keeps.
package struct StoreEvent: Sendable, Codable, Hashable {
    /// What it happened to, by docker's names.
    package enum Kind: String, Sendable, Codable, Hashable { case container, image, volume }

    /// Nanoseconds since 1970.
    package let time: Int64
    package let kind: Kind
    /// As docker names it: `create`, `start`, `die`.
    package let action: String
    /// The id of a container or an image, the name of a volume.
    package let subject: String
    package let attributes: [String: String]

    package init(
        time: Int64? = nil,
        _ kind: Kind,
        _ action: String,
        of subject: String,
        _ attributes: [String: String] = [:]
    ) {
        let now = currentFileTime()
        self.time = time ?? now.seconds * 1_000_000_000 + Int64(now.nanoseconds)
        self.kind = kind
        self.action = action
        self.subject = subject
        self.attributes = attributes
    }
}

/// What has happened in a store, whichever process did it, so that others learn of it.
///
/// `events/current` has an event a line, and `events/earlier` those before it, as far as there is room. An event is told after what it
/// tells of, and one that cannot be written is lost: nothing that the store keeps depends on it.
package struct EventJournal: Sendable {
    /// A place between two events.
    package struct Position: Sendable, Hashable {
        fileprivate var file: UInt64
        fileprivate var offset: Int64
    }

    /// How large a file may become: some ten thousand events.
    private static let fileLimit: Int64 = 4 << 20
    /// No event is longer; labels of containers may be.
    private static let eventLimit = 64 << 10

    private let directory: FilePath
    private var current: FilePath { directory.appending("current") }
    private var earlier: FilePath { directory.appending("earlier") }

    /// - Parameter layout: of the store.
    package init(_ layout: StoreLayout) { directory = layout.events }

    // MARK: Telling

    /// Tells of an event.
    package func append(_ event: StoreEvent) async {
        var event = event
        var line = Self.line(of: event)
        if line.count > Self.eventLimit {
            event = StoreEvent(time: event.time, event.kind, event.action, of: event.subject)
            line = Self.line(of: event)
        }
        await onBlockingPool { [line] in try? write(line) }
    }

    private static func line(of event: StoreEvent) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return ((try? encoder.encode(event)).map { Array($0) } ?? []) + "\n"
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func write(_ line: [UInt8]) throws(SystemCallError) {
        let file = try openToWrite()
        // One write, which no other process's comes into.
        try file.write(line)
        let status = try file.status()
        if try HostFiles.status(of: current)?.inode != status.inode {
            // Readers have gone on to the next file before it was written: better told twice than never.
            try openToWrite().write(line)
        }
        guard status.size > Self.fileLimit else { return }
        let lock = try FileLock.acquire(directory.appending("lock"), .exclusive)
        defer { withExtendedLifetime(lock) {} }
        // Another process may have been here before.
        guard let size = try HostFiles.status(of: current)?.size, size > Self.fileLimit else { return }
        try HostFiles.rename(current, to: earlier)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func openToWrite() throws(SystemCallError) -> OpenFile {
        do throws(SystemCallError) {
            return try OpenFile.open(current, [.writeOnly, .create, .append], mode: 0o600)
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            try HostFiles.createDirectory(directory, mode: 0o700)
            return try OpenFile.open(current, [.writeOnly, .create, .append], mode: 0o600)
        }
    }

    // MARK: Reading

    /// The place after the last event.
    package func end() async throws -> Position {
        try await onBlockingPool {
            guard let status = try HostFiles.status(of: current) else { return Position(file: 0, offset: 0) }
            return Position(file: status.inode, offset: status.size)
        }
    }

    /// The place before the first event that is still known.
    package func beginning() async throws -> Position {
        try await onBlockingPool {
            Position(file: try HostFiles.status(of: earlier)?.inode ?? 0, offset: 0)
        }
    }

    /// The events from a place on that are there already, and the place after them.
    package func events(after position: Position) async throws -> ([StoreEvent], Position) {
        try await onBlockingPool { try read(after: position) }
    }

    /// Waits for the next events after a place.
    /// - Parameters:
    ///   - position: the place.
    ///   - time: how long to wait at most; nil for as long as it takes.
    /// - Returns: the events, none where the time is over; and the place after them.
    /// - Throws: `CancellationError`, `SystemCallError`.
    package func next(
        after position: Position,
        atMost time: Duration? = nil
    ) async throws -> ([StoreEvent], Position) {
        try await onBlockingPool { _ = try HostFiles.createDirectory(directory, mode: 0o700) }
        let found = try await FileWatch.wait(in: [directory], atMost: time) { () -> ([StoreEvent], Position)? in
            let (events, position) = try read(after: position)
            return events.isEmpty ? nil : (events, position)
        }
        return found ?? ([], position)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func read(after position: Position) throws -> ([StoreEvent], Position) {
        var events: [StoreEvent] = []
        var offset: Int64 = 0
        let old = try open(earlier)
        if let old, try old.status().inode == position.file {
            events += try Self.read(old, from: position.offset).events
        }
        guard let file = try open(current) else {
            return (events, events.isEmpty ? position : Position(file: 0, offset: 0))
        }
        let inode = try file.status().inode
        if inode == position.file { offset = position.offset }
        let (more, length) = try Self.read(file, from: offset)
        return (events + more, Position(file: inode, offset: offset + length))
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func open(_ path: FilePath) throws(SystemCallError) -> OpenFile? {
        do throws(SystemCallError) {
            return try OpenFile.open(path, .readOnly)
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
    }

    /// The whole lines of a file, and how many bytes they have.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func read(_ file: OpenFile, from offset: Int64) throws -> (events: [StoreEvent], length: Int64) {
        try file.seek(to: offset)
        let bytes = try file.readToEnd(limit: Int(2 * fileLimit))
        guard let last = bytes.lastIndex(of: "\n") else { return ([], 0) }
        let decoder = JSONDecoder()
        // What a crash has left of a line tells nothing.
        let events = bytes[..<last].split(separator: "\n").compactMap { line in
            try? decoder.decode(StoreEvent.self, from: Data(line))
        }
        return (events, Int64(last) + 1)
    }
}

extension Store {
    /// What has happened in the store.
    package var journal: EventJournal { EventJournal(layout) }
}
