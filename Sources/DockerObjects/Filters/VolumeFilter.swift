package import Containers
internal import Terminal
internal import Text

/// Which volumes are listed or removed.
package struct VolumeFilter {
    private var isDangling: Bool?
    private var drivers: [String] = []
    private var labels: [String] = []
    private var absentLabels: [String] = []
    private var names: [NameExpression] = []
    /// Of `all`: whether volumes that have a name are removed, too.
    package private(set) var includesNamed: Bool?

    /// - Parameters:
    ///   - filters: `name=value`, each.
    ///   - accepted: the names that the command takes.
    /// - Throws: `FilterError`.
    package init(_ filters: [String], accepted: Set<String>) throws {
        for text in filters {
            let filter = try ListFilter(text)
            guard accepted.contains(filter.name) else { throw FilterError.unknown(filter.name) }
            switch filter.name {
            case "dangling": isDangling = try Self.truth(filter)
            case "all": includesNamed = try Self.truth(filter)
            case "driver": drivers.append(filter.value)
            case "label": labels.append(filter.value)
            case "label!": absentLabels.append(filter.value)
            default: names.append(try NameExpression.filter(filter))
            }
        }
    }

    private static func truth(_ filter: ListFilter) throws -> Bool {
        switch filter.value {
        case "1", "true": true
        case "0", "false": false
        default: throw FilterError.unknown("\(filter.name)=\(filter.value)")
        }
    }

    /// Whether a volume is wanted.
    package func accepts(_ volume: VolumeRecord, isUsed: Bool = false) -> Bool {
        if let isDangling, isDangling == isUsed { return false }
        if !drivers.isEmpty, !drivers.contains("local") { return false }
        if !names.isEmpty, !names.contains(where: { $0.matches(Array(volume.name.utf8)) }) { return false }
        return labels.allSatisfy { LabelText.holds($0, in: volume.labels) }
            && !absentLabels.contains { LabelText.holds($0, in: volume.labels) }
    }
}
