package import Containers
internal import LinuxSystem
internal import Terminal
internal import Text

/// Which stopped containers a prune removes.
package struct ContainerPruneFilter {
    private var until: Int64?
    private var labels: [String] = []
    private var absentLabels: [String] = []

    /// - Parameters:
    ///   - filters: `name=value`, each.
    ///   - now: seconds since 1970.
    /// - Throws: `FilterError`.
    package init(_ filters: [String], now: Int64) throws {
        for text in filters {
            let filter = try ListFilter(text)
            switch filter.name {
            case "label": labels.append(filter.value)
            case "label!": absentLabels.append(filter.value)
            case "until":
                guard let moment = WrittenMoment(filter.value) else {
                    throw FilterError.unknown("until=\(filter.value)")
                }
                until = FileTime(moment, now: FileTime(seconds: now)).seconds
            default: throw FilterError.unknown(filter.name)
            }
        }
    }

    /// Whether a container is removed.
    package func accepts(_ record: ContainerRecord) -> Bool {
        func has(_ label: String) -> Bool { LabelText.holds(label, in: record.configuration.labels) }
        return until.map { record.created < $0 } ?? true && labels.allSatisfy(has) && !absentLabels.contains(where: has)
    }
}
