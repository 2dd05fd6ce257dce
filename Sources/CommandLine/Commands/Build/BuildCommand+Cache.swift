internal import BuildEngine
internal import LinuxSystem
internal import RemoteCache
internal import Terminal

/// Caches beside that of the store, and when none is to be used.
extension BuildCommand {
    static let cacheFlags: [Flag<BuildCommand>] = [
        .values(
            "cache-from",
            \.cacheSources,
            placeholder: "stringArray",
            help: "External cache sources (e.g., \"user/app:cache\", \"type=local,src=path/to/dir\")"
        ) { bytes throws(FlagValueError) in try CacheOption.parse(bytes) },
        .values(
            "cache-to",
            \.cacheDestinations,
            placeholder: "stringArray",
            help: "Cache export destinations (e.g., \"user/app:cache\", \"type=local,dest=path/to/dir\")"
        ) { bytes throws(FlagValueError) in try CacheOption.parse(bytes) },
        .values(
            "no-cache-filter",
            \.uncachedStages,
            placeholder: "stringArray",
            help: "Do not cache specified stages"
        ) { bytes throws(FlagValueError) in
            // As for buildx, which asks BuildKit to leave out the stages of an empty list: all of them.
            if bytes.isEmpty { return [""] }
            var names: [String] = []
            for name in try FlagValues.commaSeparated(bytes) where !name.isEmpty {
                names.append(try FlagValues.text(name))
            }
            return names
        },
    ]

    /// What the options say of caches.
    func applyCaches(
        to request: inout BuildRequest,
        _ environment: SlipwayEnvironment,
        isRemote: Bool
    ) throws {
        if ignoresCache, !uncachedStages.isEmpty {
            throw CacheOption.failure("--no-cache and --no-cache-filter cannot currently be used together")
        }
        if uncachedStages == [""] { request.ignoresCache = true }
        request.uncachedStages = Set(uncachedStages.filter { !$0.isEmpty })
        if isRemote { return }
        let variables = environment.textVariables
        let surroundings = CacheOption.Surroundings(path: { environment.path($0) }, variable: { variables[$0] })
        // Said twice is meant once, as with buildx.
        var seen: Set<CacheOption> = []
        for option in cacheSources where seen.insert(option).inserted {
            request.cacheSources.append(try option.source(surroundings))
        }
        seen = []
        for option in cacheDestinations where seen.insert(option).inserted {
            request.cacheExports.append(try option.export(surroundings))
        }
    }
}
