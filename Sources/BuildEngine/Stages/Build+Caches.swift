import BuildCache
import BuildGraph
import DockerfileFrontend
import Images
import LinuxSystem
import OCI
import Operations
import RemoteCache
import Snapshots

extension Build {
    /// Does something with what was read of remote caches, and does it again without those that turn out not to have
    /// what they offered.
    func withImportedCaches<Value>(_ body: ([ImportedCache]) async throws -> Value) async throws -> Value {
        var imported = try await importCaches()
        while true {
            do {
                return try await body(imported)
            } catch {
                // What a broken cache did not spoil is in the store by now: it is not made twice.
                let failed = snapshots.offers?.withdrawFailed() ?? []
                if failed.isEmpty || error is CancellationError { throw error }
                let names = Set(failed.map(\.name))
                imported.removeAll { names.contains($0.name) }
                for (name, reason) in failed {
                    progress.warn("the build cache \(name) is incomplete and is not used any more: \(reason)")
                }
            }
        }
    }

    /// Reads the caches that the request names, all at the same time.
    ///
    /// One that cannot be read is shown as a step that failed. The build goes on without it.
    private func importCaches() async throws -> [ImportedCache] {
        let imported = try await withThrowingTaskGroup(of: (index: Int, caches: [ImportedCache]).self) { group in
            for (index, source) in request.cacheSources.enumerated() {
                group.addTask { (index, try await importCache(source, number: index)) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        return imported.sorted { $0.index < $1.index }.flatMap(\.caches)
    }

    private func importCache(_ source: CacheSource, number: Int) async throws -> [ImportedCache] {
        let reader = try parts.caches.reader(of: source)
        do {
            return try await progress.step("importing cache manifest from \(reader.name)", number: number) { step in
                let now = step.now()
                let imported = try await reader.load { step.report($0, started: now, completed: now) }
                snapshots.offers?.offer(Set(imported.flatMap { $0.blobs.map(\.digest) }), by: reader)
                return imported
            }
        } catch {
            // The step said what was wrong.
            if error is CancellationError { throw error }
            return []
        }
    }

    /// Where the build looks for results: in the store, and in the caches that it reads.
    func cacheIndex(
        with imported: [ImportedCache]
    ) -> (stored: StoredCacheIndex, index: any CacheIndex<BuildOutput>) {
        let stored = StoredCacheIndex(
            store: store,
            lease: snapshots.lease,
            canFetch: { [offers = snapshots.offers] in offers?.isOffered($0) ?? false }
        )
        if imported.isEmpty { return (stored, stored) }
        let index = ImportingCacheIndex(stored: stored, imported: imported, snapshots: snapshots)
        return (stored, index)
    }

    /// Writes the caches that the request asks for.
    /// - Returns: the manifest of the last of them that has one.
    func exportCaches(_ solved: SolvedBuild) async throws -> Descriptor? {
        var manifest: Descriptor?
        let build = CacheableBuild(steps: solved.cacheable, results: solved.trees, snapshots: snapshots)
        for (number, export) in request.cacheExports.enumerated() {
            guard let title = try parts.caches.title(of: export) else { continue }
            do {
                manifest = try await progress.step(title, number: number) { step in
                    try await parts.caches.write(export, of: build, step)
                }
            } catch {
                if error is CancellationError || !export.ignoresErrors { throw error }
            }
        }
        return manifest
    }
}

extension SolvedBuild {
    /// The bytes of an image's configuration with the steps that led to it.
    func inlineCache(in configuration: ImageConfiguration, of tree: FileTree) throws -> [UInt8] {
        let records = try RemoteCaches.inlineRecords(cacheable, in: tree)
        return try InlineCache.configuration(configuration, with: records)
    }
}

extension BuildRequest {
    /// Whether the image is to hold the cache of its own build.
    var hasInlineCache: Bool {
        if cacheExports.contains(where: { $0.destination == .inline }) { return true }
        return hasTrueArgument("BUILDKIT_INLINE_CACHE")
    }

    /// Whether a build argument that means something to the builder is true.
    package func hasTrueArgument(_ name: String) -> Bool {
        argument(name).map { ["1", "t", "true"].contains(String(decoding: $0, as: UTF8.self).lowercased()) } ?? false
    }
}

extension CacheableStep {
    /// A step of a solve; one that has other outputs than files of the store has none for a cache.
    init(_ step: KeyedStep<BuildOutput>) {
        // A directory of the client has no layers.
        let isStored = step.outputs?.allSatisfy { $0 == nil || $0?.tree != nil } ?? false
        self.init(
            key: step.canonicalKey,
            aliases: step.definitionKey.map { [$0] } ?? [],
            inputs: step.inputs.map { Input(key: $0.key, selector: $0.selector) },
            outputs: isStored ? step.outputs?.map { $0?.tree } : nil
        )
    }
}
