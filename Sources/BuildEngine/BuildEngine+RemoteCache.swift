import BuildGraph
import DockerfileFrontend
import Images
import LinuxSystem
import OCI
import Operations
import RemoteCache
import Snapshots

/// What a solve left for those who export it.
struct SolvedBuild: Sendable {
    /// The files of each plan's target.
    var trees: [FileTree]
    /// Why each step ran or did not.
    var steps: [StepExplanation]
    /// The steps that a cache can keep.
    var cacheable: [CacheableStep]
}

extension BuildEngine {
    /// Refuses caches that cannot be had, before anything is built.
    func checkCaches(of request: BuildRequest) throws(BuildError) {
        guard caches == nil else { return }
        if !request.cacheSources.isEmpty || request.cacheExports.contains(where: { $0.destination != .inline }) {
            throw .cacheNeedsRegistry
        }
    }

    /// Reads the caches that a request names, all at the same time.
    ///
    /// One that cannot be read is shown as a step that failed, and nothing more comes of it: the build goes on without it.
    private func importCaches(
        _ request: BuildRequest,
        _ progress: BuildSteps,
        _ offers: BlobOffers
    ) async throws -> [ImportedCache] {
        guard let caches else { return [] }
        let imported = try await withThrowingTaskGroup(of: (index: Int, caches: [ImportedCache]).self) { group in
            for (index, source) in request.cacheSources.enumerated() {
                group.addTask { (index, try await self.importCache(source, number: index, caches, progress, offers)) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        return imported.sorted { $0.index < $1.index }.flatMap(\.caches)
    }

    private func importCache(
        _ source: CacheSource,
        number: Int,
        _ caches: RemoteCaches,
        _ progress: BuildSteps,
        _ offers: BlobOffers
    ) async throws -> [ImportedCache] {
        let reader = try caches.reader(of: source)
        do {
            return try await progress.step("importing cache manifest from \(reader.name)", number: number) { step in
                let now = step.now()
                let imported = try await reader.load { step.report($0, started: now, completed: now) }
                caches.offer(imported, of: reader, in: offers)
                return imported
            }
        } catch {
            // The step said what was wrong.
            if error is CancellationError { throw error }
            return []
        }
    }

    /// Does something with what was read of remote caches, and does it again without those that turn out not to have what they offered.
    func withImportedCaches<Value>(
        _ request: BuildRequest,
        _ progress: BuildSteps,
        _ body: ([ImportedCache]) async throws -> Value
    ) async throws -> Value {
        let offers = BlobOffers()
        return try await BlobOffers.$current.withValue(offers) {
            try await withImportedCaches(request, progress, offers, body)
        }
    }

    private func withImportedCaches<Value>(
        _ request: BuildRequest,
        _ progress: BuildSteps,
        _ offers: BlobOffers,
        _ body: ([ImportedCache]) async throws -> Value
    ) async throws -> Value {
        var imported = try await importCaches(request, progress, offers)
        while true {
            do {
                return try await body(imported)
            } catch {
                // What a broken cache did not spoil is in the store by now: it is not made twice.
                let failed = offers.withdrawFailed()
                if failed.isEmpty || error is CancellationError { throw error }
                let names = Set(failed.map(\.name))
                imported.removeAll { names.contains($0.name) }
                for (name, reason) in failed {
                    let text = "the build cache \(name) is incomplete and is not used any more: \(reason)"
                    progress.channel.post(.warning(VertexWarning(vertex: nil, short: text)))
                }
            }
        }
    }

    /// Where a build looks for results: in the store, and in the caches that it reads.
    func cacheIndex(
        with imported: [ImportedCache]
    ) -> (stored: StoredCacheIndex<BuildOutput>, index: any CacheIndex<BuildOutput>) {
        let stored = StoredCacheIndex<BuildOutput>(
            store: store,
            tree: \.tree,
            output: BuildOutput.tree,
            canFetch: { [offers = BlobOffers.current] in offers?.isOffered($0) ?? false }
        )
        guard let caches, !imported.isEmpty else { return (stored, stored) }
        let index = ImportingCacheIndex(stored: stored, imported: imported, remote: caches, output: BuildOutput.tree)
        return (stored, index)
    }

    /// Writes the caches that a request asks for.
    /// - Returns: the manifest of the last of them that has one.
    func exportCaches(
        _ solved: SolvedBuild,
        _ request: BuildRequest,
        _ progress: BuildSteps
    ) async throws -> Descriptor? {
        var manifest: Descriptor?
        for (number, export) in request.cacheExports.enumerated() {
            guard let caches, let title = try caches.title(of: export) else { continue }
            do {
                manifest = try await progress.step(title, number: number) { step in
                    try await caches.write(export, solved.cacheable, results: solved.trees, step)
                }
            } catch {
                if error is CancellationError || !export.ignoresErrors { throw error }
            }
        }
        return manifest
    }

    /// The bytes of an image's configuration, with the steps that led to it where the request asks for that.
    func configurationBytes(
        _ configuration: ImageConfiguration,
        _ tree: FileTree,
        _ solved: SolvedBuild,
        _ request: BuildRequest
    ) throws -> [UInt8] {
        guard request.hasInlineCache else { return try StrictJSON.encode(configuration) }
        let records = try RemoteCaches.inlineRecords(solved.cacheable, in: tree)
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
    func hasTrueArgument(_ name: String) -> Bool {
        argument(name).map { ["1", "t", "true"].contains(String(decoding: $0, as: UTF8.self).lowercased()) } ?? false
    }
}

extension CacheableStep {
    /// A step of a solve; one that has other outputs than files of the store has none for a cache.
    init(_ step: KeyedStep<BuildOutput>) {
        let trees = step.outputs?.compactMap(\.tree)
        self.init(
            key: step.canonicalKey,
            aliases: step.definitionKey.map { [$0] } ?? [],
            inputs: step.inputs.map { Input(key: $0.key, selector: $0.selector) },
            outputs: trees?.count == step.outputs?.count ? trees : nil
        )
    }
}
