package import BuildCache
package import BuildEngine
import BuildGraph
import BuildKitProto
import ClientServices
import Exporters
import LLB
import LinuxSystem
package import OCI
import Operations
package import RPC
package import RemoteCache
package import Sandboxes
package import Settings
package import Storage
import SwiftProtobuf

/// What a daemon serves: builds of any number of clients in one store.
package final class BuildServer: Sendable {
    /// What the daemon is made of.
    package struct Configuration: Sendable {
        package let store: Store
        /// Makes an engine whose registries are spoken to with some client's credentials.
        package let engine: @Sendable (any CredentialSource) async throws -> BuildEngine
        /// The platforms whose steps this machine runs, its own first.
        package var platforms: [Platform]
        /// What tells this builder from others; stays the same as long as the store does.
        package var workerID: String
        package var labels: [String: String] = [:]
        package var entitlements: Set<Entitlement> = []
        /// The devices that builds may be given.
        package var deviceGrants = DeviceGrants()
        /// Reads, on a thread that may block, what devices the machine has.
        package var devices: @Sendable () -> DeviceRegistry = { DeviceRegistry(reading: []) }
        /// When and what is removed of the build cache by itself.
        package var policies: [CachePolicy] = []
        package var version: String
        /// How many builds clients find in the history.
        package var history = BuildHistory.Limits()
        /// Understands caches that clients name by a type and attributes.
        package var cacheSource: @Sendable (String, [String: String]) throws -> CacheSource = { type, _ in
            throw ServiceError.notSupported("the cache type \(type)")
        }
        package var cacheExport: @Sendable (String, [String: String]) throws -> CacheExport = { type, _ in
            throw ServiceError.notSupported("the cache type \(type)")
        }

        package init(
            store: Store,
            platforms: [Platform],
            workerID: String,
            version: String,
            engine: @escaping @Sendable (any CredentialSource) async throws -> BuildEngine
        ) {
            self.store = store
            self.platforms = platforms
            self.workerID = workerID
            self.version = version
            self.engine = engine
        }

        /// Allows builds what they ask for.
        package mutating func grant(_ allowance: Allowance) {
            switch allowance {
            case .entitlement(let entitlement): entitlements.insert(entitlement)
            case .allDevices: deviceGrants.allowsAll = true
            case .device(let name, _): deviceGrants.names.insert(name)
            }
        }
    }

    let configuration: Configuration
    let jobs = JobRegistry()
    let sessions = SessionRegistry()
    let produced = ProducedGraphs()
    let feed = HistoryFeed()
    let keeper: CacheKeeper
    private let idleTime: IdleTime

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        keeper = CacheKeeper(configuration.store, configuration.policies)
        idleTime = IdleTime { [store = configuration.store] in
            // What fails is reported by the build that needs it.
            try? await store.flushRest(everything: true)
        }
    }

    var store: Store { configuration.store }

    /// Makes a job known as long as `body`, which builds it, runs.
    func withJob<Value>(_ id: String, _ body: (JobRegistry.Entry) async throws -> Value) async throws -> Value {
        try await idleTime.whileBuilding { try await jobs.withEntry(id, body) }
    }

    /// Lets no build begin any more.
    /// - Returns: how many run.
    package func beginNoMore() -> Int { jobs.close() }

    /// Waits for the builds that run, after `beginNoMore`.
    package func ended() async { await jobs.drained() }

    /// How the daemon describes itself.
    var workers: [Moby_Buildkit_V1_Types_WorkerRecord] {
        [
            .with { worker in
                worker.id = configuration.workerID
                worker.labels = configuration.labels
                worker.platforms = configuration.platforms.map { Pb_Platform($0) }
                worker.buildkitVersion = version
                worker.gcpolicy = configuration.policies.map { Moby_Buildkit_V1_Types_GCPolicy($0) }
            }
        ]
    }

    /// The same with the devices of the machine.
    func workersWithDevices() async -> [Moby_Buildkit_V1_Types_WorkerRecord] {
        let devices = await onBlockingPool { [configuration] in configuration.devices().all }
        return workers.map { worker in
            var worker = worker
            worker.cdidevices = devices.map { device in
                .with {
                    $0.name = device.name
                    $0.autoAllow = device.isAutoAllowed
                    $0.annotations = device.annotations
                }
            }
            return worker
        }
    }

    var version: Moby_Buildkit_V1_Types_BuildkitVersion {
        .with {
            $0.package = BuildKitVersion.package
            $0.version = BuildKitVersion.version
            $0.revision = configuration.version
            $0.dockerfileVersion = BuildKitVersion.dockerfile
        }
    }
}

extension Pb_Platform {
    init(_ platform: Platform) {
        self.init()
        architecture = platform.architecture
        os = platform.os
        variant = platform.variant ?? ""
        osversion = platform.osVersion ?? ""
        osfeatures = platform.osFeatures ?? []
    }
}

extension BuildServer {
    /// What the daemon answers.
    package var services: [any RPCService] {
        [
            ControlService(server: self), SessionService(sessions: sessions),
            GatewayService(jobs: jobs) { [self] in workers }, ContentService(store: store),
            TraceService(),
        ]
    }
}
