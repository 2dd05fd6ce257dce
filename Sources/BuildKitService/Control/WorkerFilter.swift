import BuildKitProto

/// Which workers a client means: `id==…` and `labels.NAME==…`, as containerd's filters are written.
enum WorkerFilter {
    /// Whether one of the filters matches; none means every worker.
    static func allow(
        _ filters: [String],
        _ worker: Moby_Buildkit_V1_Types_WorkerRecord
    ) throws(ServiceError) -> Bool {
        if filters.isEmpty { return true }
        for filter in filters where try matches(filter, worker) { return true }
        return false
    }

    private static func matches(
        _ filter: String,
        _ worker: Moby_Buildkit_V1_Types_WorkerRecord
    ) throws(ServiceError) -> Bool {
        for part in filter.split(separator: ",") {
            guard let sign = ["==", "!="].first(where: { part.contains($0) }),
                let range = part.firstRange(of: sign)
            else { throw .invalidFilter(filter) }
            let field = String(part[..<range.lowerBound])
            let wanted = unquoted(String(part[range.upperBound...]))
            let value = field == "id" ? worker.id : worker.labels[field.replacing("labels.", with: "")] ?? ""
            if (value == wanted) != (sign == "==") { return false }
        }
        return true
    }

    private static func unquoted(_ text: String) -> String {
        text.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"") ? String(text.dropFirst().dropLast()) : text
    }
}
