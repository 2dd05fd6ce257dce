import OCI

/// Whether a frontend gave what it was asked for.
extension FrontendResult {
    /// What a client is warned of whose result is of other platforms than it asked for, in the attribute `platform`;
    /// nil for nothing.
    func platformWarning(asked: String?) -> String? {
        guard var given = try? platforms().map(\.platform), !(given.isEmpty && isEmpty) else { return nil }
        if given.isEmpty {
            let configuration = metadata[Self.configurationKey]
                .flatMap { try? ImageConfiguration(parsingWithoutLayers: $0) }
            given = [(configuration?.platform ?? .current).normalized]
        }
        let results = Set(given.map { "\($0)" })
        var wanted: [String] = []
        for text in (asked ?? "\(Platform.current.normalized)").split(separator: ",") {
            do throws(OCIError) { wanted.append("\(try Platform(parsing: String(text)).normalized)") } catch {
                return "Invalid platform result requested \"\(text)\": \(error)"
            }
        }
        let distinct = Set(wanted)
        if distinct.count < wanted.count { return "Duplicate platform result requested \"\(asked ?? "")\"" }
        if distinct == results { return nil }
        if case .one = references, distinct.count > 1 {
            return "Multiple platforms requested but result is not multi-platform"
        }
        func list(_ names: Set<String>) -> String { names.sorted().joined(separator: ",") }
        if distinct.count == 1, results.count == 1 {
            return "Requested platform \"\(list(distinct))\" does not match result platform \"\(list(results))\""
        }
        return "Requested platforms \(list(distinct)) do not match result platforms \(list(results))"
    }

    /// Whether there are no files at all.
    private var isEmpty: Bool {
        switch references {
        case .one(let reference): reference == nil
        case .several(let references): references.isEmpty
        }
    }
}
