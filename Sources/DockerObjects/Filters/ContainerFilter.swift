package import Containers
package import Images
internal import OCI
internal import Storage
internal import Terminal
internal import Text

/// Which containers `ps` shows: filters of one name are alternatives, except labels; those of several names must all hold.
package struct ContainerFilter: Sendable {
    private var ids: [NameExpression] = []
    private var names: [NameExpression] = []
    private var labels: [String] = []
    private var statuses: Set<String> = []
    private var exitCodes: Set<CInt> = []
    private var volumes: Set<String> = []
    private var networks: Set<String> = []
    private var published: Set<String> = []
    private var exposed: Set<String> = []
    private var healths: Set<String> = []
    private var wantsTasks = false
    private var ancestors: [String] = []
    private var before: String?
    private var since: String?

    /// Whether containers that do not run are shown without `--all`.
    package var showsStopped: Bool { !statuses.isEmpty || !exitCodes.isEmpty }

    private static let statusNames: Set<String> = [
        "created", "running", "paused", "restarting", "removing", "exited", "dead",
    ]
    private static let healthNames: Set<String> = ["none", "starting", "healthy", "unhealthy"]

    /// - Throws: `FilterError`.
    package init(_ texts: [String]) throws {
        for text in texts { try add(try ListFilter(text)) }
    }

    private mutating func add(_ filter: ListFilter) throws {
        let value = filter.value
        let refusal = FilterError.unknown("\(filter.name)=\(value)")
        switch filter.name {
        case "id": ids.append(try NameExpression.filter(filter))
        case "name": names.append(try NameExpression.filter(filter))
        case "label": labels.append(value)
        case "status":
            guard Self.statusNames.contains(value) else { throw refusal }
            statuses.insert(value)
        case "exited":
            guard let code = CInt(value) else { throw refusal }
            exitCodes.insert(code)
        case "volume": volumes.insert(value)
        case "network": networks.insert(value)
        case "publish": published.formUnion(try Self.ports(filter))
        case "expose": exposed.formUnion(try Self.ports(filter))
        case "health":
            guard Self.healthNames.contains(value) else { throw refusal }
            healths.insert(value)
        case "is-task":
            guard ["true", "false", "1", "0"].contains(value) else { throw refusal }
            wantsTasks = wantsTasks || value == "true" || value == "1"
        // It is about Windows.
        case "isolation": break
        case "ancestor": ancestors.append(value)
        case "before": before = value
        case "since": since = value
        default: throw FilterError.unknown(filter.name)
        }
    }

    /// `80`, `80/udp`, `8000-8080/tcp`.
    private static func ports(_ filter: ListFilter) throws -> [String] {
        guard !filter.value.contains(":"), let ports = try? PublishedPort.parse(filter.value) else {
            throw FilterError.unknown("\(filter.name)=\(filter.value)")
        }
        return ports.map(\.containerEndpoint)
    }

    /// The records that are wanted, in their order.
    /// - Parameters:
    ///   - records: all containers, the newest first.
    ///   - containers: where `before` and `since` are looked up.
    ///   - images: where ancestors are looked up.
    /// - Returns: the records.
    /// - Throws: `ContainerError.notFound` for what `before` or `since` name.
    package func select(
        _ records: [ContainerRecord],
        _ containers: ContainerStore,
        _ images: ImageStore
    ) async throws -> [ContainerRecord] {
        var selected = records[...]
        if let before {
            let id = try await containers.container(before).id
            selected = selected.drop { $0.id != id }.dropFirst()
        }
        if let since {
            let id = try await containers.container(since).id
            selected = selected.prefix { $0.id != id }
        }
        var ancestry: [(id: Digest, layers: [LayerID])] = []
        for name in ancestors {
            guard let image = try? await images.image(name) else { continue }
            ancestry.append((image.id, image.layers))
        }
        return selected.filter { accepts($0) && descends($0, from: ancestry) }
    }

    private func descends(_ record: ContainerRecord, from images: [(id: Digest, layers: [LayerID])]) -> Bool {
        let configuration = record.configuration
        return ancestors.isEmpty || ancestors.contains(configuration.imageName)
            || images.contains { image in
                image.id == configuration.imageID
                    || !image.layers.isEmpty && image.layers.count < configuration.layers.count
                        && configuration.layers.starts(with: image.layers)
            }
    }

    private func accepts(_ record: ContainerRecord) -> Bool {
        let state = record.state
        let configuration = record.configuration
        func isMet<Value>(_ wanted: Set<Value>, by found: [Value]) -> Bool {
            wanted.isEmpty || !wanted.isDisjoint(with: found)
        }
        // Docker's names begin with a slash, which an expression may have or leave out.
        let spellings = ["/" + record.name, record.name].map { Array($0.utf8) }
        return !wantsTasks
            && (ids.isEmpty || ids.contains { $0.matches(Array(record.id.utf8)) })
            && (names.isEmpty || names.contains { name in spellings.contains { name.matches($0) } })
            && labels.allSatisfy { LabelText.holds($0, in: configuration.labels) }
            && isMet(statuses, by: [state.status.rawValue])
            && isMet(exitCodes, by: state.status == .exited ? [state.exitCode ?? 0] : [])
            && isMet(volumes, by: configuration.mounts.map(\.target) + record.mountNames)
            && isMet(networks, by: [configuration.network.rawValue])
            && isMet(published, by: configuration.ports.map(\.containerEndpoint))
            && isMet(exposed, by: record.exposedEndpoints)
            && isMet(healths, by: [record.health])
    }
}
