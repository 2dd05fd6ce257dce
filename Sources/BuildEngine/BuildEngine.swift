package import BuildCache
package import BuildGraph
import ClientServices
import DockerfileFrontend
import Exporters
package import HTTP
package import Images
import LinuxSystem
import OCI
import Operations
package import RemoteCache
package import Sandboxes
import Snapshots
import Storage
import Tasks
package import Text

/// Builds images: one request from its Dockerfile to what becomes of its result.
///
/// The engine works in the process that calls it, for any number of requests at the same time. Equal steps of them run
/// once; apart from that no build affects another. Several engines, in this process or others, may use one store.
package final class BuildEngine: Sendable {
    let parts: Parts
    private let pool: SolverPool<BuildOutput>

    /// What an engine works with.
    package struct Parts: Sendable {
        /// The images and layers of the store, and of registries.
        package var remote: RemoteImages
        /// Reads and writes build caches outside of the store.
        package var caches: RemoteCaches
        /// Runs the processes of steps.
        package let sandboxes: SandboxRunner
        /// Makes the networks of steps.
        package let networks: SandboxNetworks
        /// Finds base images.
        package var bases: any BaseImages
        /// Reads what a build takes from web servers.
        package var web = WebClient(WebClient.Configuration())
        /// The environment of the process: where git finds proxies, certificates and the agent.
        package var variables: [[UInt8]: [UInt8]] = [:]
        /// Reads, on a thread that may block, what devices the machine has; each build asks anew.
        package var devices: @Sendable () -> DeviceRegistry = { DeviceRegistry(reading: []) }
        package var now: @Sendable () -> Timestamp = Timestamp.system
        /// What provenance tells of where it was made.
        ///
        /// Read, on a thread that may block, for each build that has any.
        package var surroundings: @Sendable () throws -> [String: JSONValue] = { [:] }
        /// How many builds are remembered.
        package var history = BuildHistory.Limits()
        /// Runs frontends that are images; nil where none can be run.
        package var imageFrontends: (any ImageFrontends)?

        var store: Store { remote.snapshots.store }

        package init(
            remote: RemoteImages,
            caches: RemoteCaches,
            sandboxes: SandboxRunner,
            networks: SandboxNetworks
        ) {
            self.remote = remote
            self.caches = caches
            self.sandboxes = sandboxes
            self.networks = networks
            bases = RemoteBaseImages(images: remote)
        }
    }

    package init(_ parts: Parts) {
        self.parts = parts
        pool = SolverPool()
    }

    /// An engine for a client with parts of its own, such as other credentials, whose builds share steps with those of
    /// another.
    package init(_ parts: Parts, sharingWith other: BuildEngine) {
        self.parts = parts
        pool = other.pool
    }

    /// Carries out a request; what happens is told through `progress`, which the caller finishes.
    ///
    /// How the build ended, and why each step ran, is kept in the build history, also when it fails.
    /// - Parameters:
    ///   - request: what to build.
    ///   - progress: a channel for this build alone.
    ///   - recorded: gets the record before this returns or throws.
    /// - Returns: what the build gave.
    /// - Throws: `BuildError`, `DockerfileError`, `FrontendError`, `SolveError`, `StorageError`, what exports throw.
    package func build(
        _ request: BuildRequest,
        progress: ProgressChannel,
        recorded: @escaping @Sendable (BuildRecord) -> Void = { _ in }
    ) async throws -> BuildResult {
        let history = BuildHistory(store: parts.store, limits: parts.history)
        let account = BuildAccount(of: request, at: parts.now())
        do {
            return try await withBuild(request, progress: progress) { [parts] build in
                let result = try await build.run()
                let record = account.record(of: result, progress.steps, at: parts.now())
                recorded(record)
                try await history.add(record)
                var told = BuildResult(
                    buildID: account.id,
                    image: result.image,
                    cacheManifest: result.cacheManifest
                )
                told.provenance = result.provenance
                return told
            }
        } catch {
            // The error of the build is the one that matters, also where the store is the reason for it.
            let record = account.record(of: error, progress.steps, at: parts.now())
            recorded(record)
            try? await history.add(record)
            throw error
        }
    }

    /// Answers a question about a request's Dockerfile; nothing is built.
    /// - Throws: as `build`; what is wrong with a Dockerfile that is checked is part of the answer.
    package func answer(
        _ call: FrontendCall,
        _ request: BuildRequest,
        progress: ProgressChannel
    ) async throws -> FrontendAnswer {
        try await withBuild(request, progress: progress) { build in
            do { return try await build.answer(call) } catch let other as OtherFrontend { throw other.refusal }
        }
    }

    /// Lends a build: what it makes and finds is held until `body` is over.
    ///
    /// Another build may have joined a step that this one began. The step then goes on with this build's secrets and
    /// directories, which are kept until its end. This call does not wait for it.
    package func withBuild<Value: Sendable>(
        _ request: BuildRequest,
        progress: ProgressChannel,
        _ body: @escaping @Sendable (Build) async throws -> Value
    ) async throws -> Value {
        let reply = Promise<Result<Value, any Error>>()
        // Not structured, because it may outlive the call, as said above.
        let scope = Task {
            do {
                let result = try await self.withScope(of: request, progress) { build in
                    let result: Result<Value, any Error>
                    do { result = .success(try await body(build)) } catch { result = .failure(error) }
                    if !build.member.isQuiet {
                        reply.keep(result)
                        await build.member.untilQuiet()
                    }
                    return result
                }
                reply.keep(result)
            } catch {
                reply.keep(.failure(error))
            }
        }
        let result = await withTaskCancellationHandler {
            await reply.value()
        } onCancel: {
            scope.cancel()
        }
        return try result.get()
    }

    private func withScope<Value>(
        of request: BuildRequest,
        _ progress: ProgressChannel,
        _ body: (Build) async throws -> Value
    ) async throws -> Value {
        let store = parts.store
        let files = request.offeredFiles
        let devices = await onBlockingPool { [parts] in parts.devices() }
        return try await store.withLease { lease in
            let scratch = { @Sendable in try store.temporaryDirectory() }
            return try await withAgents(request.agents, scratch: scratch) { agents in
                let own = ClientServices(secrets: request.secrets, agents: agents)
                return try await own.asking(request.client, scratch: scratch) { client in
                    let scope = Build.Scope(lease: lease, client: client, devices: devices, member: pool.admit())
                    return try await withCleanUp {
                        try await parts.remote.snapshots.whileKeepingTrees {
                            try await body(Build(parts, request, BuildSteps(channel: progress, now: parts.now), scope))
                        }
                    } finally: {
                        await files?.end()
                    }
                }
            }
        }
    }
}
