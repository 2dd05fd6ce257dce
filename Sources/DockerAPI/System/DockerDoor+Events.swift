internal import Containers
internal import DockerObjects
internal import LinuxSystem
internal import OCI
internal import RPC
internal import Storage
internal import Text

extension DockerDoor {
    /// `GET /events`.
    func events(_ call: DockerCall) async throws -> WebAnswer {
        let since = try call.moment("since")
        let until = try call.moment("until")
        let filter = try EventFilter(try call.filters())
        let journal = engine.store.journal
        // What happens from now on is told, however long the client takes to read this.
        let position = since == nil ? try await journal.end() : try await journal.beginning()
        return WebAnswer.streaming { writer in
            try await writer.begin()
            var place = position
            func send(_ events: [StoreEvent]) async throws {
                for event in events where filter.accepts(event, since: since, until: until) {
                    try await writer.write(Array((EventDocument.document(event).text() + "\n").utf8))
                }
            }
            if since != nil {
                let (earlier, next) = try await journal.events(after: place)
                try await send(earlier)
                place = next
            }
            while true {
                let rest = until.map { Self.duration(from: .now(), to: $0) }
                if let rest, rest <= .zero { return }
                let (events, next) = try await journal.next(after: place, atMost: rest)
                try await send(events)
                place = next
            }
        }
    }

    private static func duration(from start: FileTime, to end: FileTime) -> Duration {
        .seconds(end.seconds - start.seconds) + .nanoseconds(Int64(end.nanoseconds) - Int64(start.nanoseconds))
    }
}

/// Which events a client wants: filters of one name are alternatives, those of several names must all hold.
struct EventFilter: Sendable {
    private var values: [String: [String]] = [:]

    private static let known: Set<String> = [
        "config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope", "secret",
        "service", "type", "volume",
    ]

    /// - Throws: `FilterError` for a name that is none.
    init(_ filters: [String]) throws(FilterError) {
        for filter in filters {
            let parts = filter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard Self.known.contains(parts[0]), parts.count == 2 else { throw .unknown(parts[0]) }
            values[parts[0], default: []].append(parts[1])
        }
    }

    func accepts(_ event: StoreEvent, since: FileTime?, until: FileTime?) -> Bool {
        // Of those that docker does not tell.
        if event.kind == .container, event.action == ContainerAction.startFailed.rawValue { return false }
        let time = FileTime(
            seconds: event.time / 1_000_000_000,
            nanoseconds: Int32(truncatingIfNeeded: event.time % 1_000_000_000)
        )
        if let since, time < since { return false }
        if let until, time > until { return false }
        return values.allSatisfy { name, wanted in wanted.contains { holds(name, $0, of: event) } }
    }

    private func holds(_ name: String, _ value: String, of event: StoreEvent) -> Bool {
        switch name {
        case "type": event.kind.rawValue == value
        case "event": event.action == value || event.action.hasPrefix(value + ":")
        case "container": event.kind == .container && isNamed(value, event)
        case "volume": event.kind == .volume && event.subject == value
        case "image": isImage(value, event)
        case "label": LabelText.holds(value, in: event.attributes)
        case "scope": value == "local"
        // There is nothing of the other kinds here.
        default: false
        }
    }

    private func isNamed(_ value: String, _ event: StoreEvent) -> Bool {
        event.attributes["name"] == value || (!value.isEmpty && event.subject.hasPrefix(value))
    }

    /// An image by its id or its name, with its tag or without; of containers the one they were made of.
    private func isImage(_ value: String, _ event: StoreEvent) -> Bool {
        let names = event.kind == .image ? [event.subject, event.attributes["name"]] : [event.attributes["image"]]
        return names.compactMap(\.self).contains { name in
            name == value || (try? ImageReference(parsing: name).familiarRepository) == value
        }
    }
}

/// Events as Docker's API has them.
enum EventDocument {
    static func document(_ event: StoreEvent) -> JSONValue {
        var members: [JSONValue.Member] = []
        // As before events had types.
        if event.kind != .volume {
            members += [.init("status", .string(event.action)), .init("id", .string(event.subject))]
        }
        if event.kind == .container { members.append(.init("from", .string(event.attributes["image"] ?? ""))) }
        let attributes = JSONValue.object(sorting: event.attributes.mapValues { .string($0) })
        members += [
            .init("Type", .string(event.kind.rawValue)), .init("Action", .string(event.action)),
            .init("Actor", .object([.init("ID", .string(event.subject)), .init("Attributes", attributes)])),
            .init("scope", .string("local")), .init("time", .number(Int(event.time / 1_000_000_000))),
            .init("timeNano", .number(Int(event.time))),
        ]
        return .object(members)
    }
}
