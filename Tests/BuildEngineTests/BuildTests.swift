import BuildCache
import BuildGraph
import DockerfileFrontend
import DockerfileSyntax
import Glibc
import Images
import LLB
import LinuxSystem
import OCI
import Snapshots
import Storage
import Synchronization
import SystemPackage
import Testing
import Text

@testable import BuildEngine

@Suite struct `A build` {
    @Test func `holds what it makes until it is over`() async throws {
        try await withWorkshop { workshop in
            let (engine, store) = (workshop.engine, workshop.store)
            let request = try workshop.request("FROM scratch\n")
            let blob = try await engine.withBuild(request, progress: ProgressChannel()) { build in
                let blob = try await store.blobs.put([1], in: build.snapshots.lease)
                _ = try await store.collectGarbage()
                #expect(try await store.blobs.contains(blob))
                return blob
            }
            _ = try await store.collectGarbage()
            #expect(try await !store.blobs.contains(blob))
        }
    }

    @Test func `asks for a base image once for each platform, however many stages start from it`() async throws {
        try await withWorkshop { workshop in
            var request = try workshop.request("FROM base AS a\nFROM base AS b\nCOPY --from=a / /\n")
            request.platforms = [try Platform(parsing: "linux/amd64"), try Platform(parsing: "linux/arm64")]
            let plans = try await workshop.engine.withBuild(request, progress: ProgressChannel()) { build in
                try await build.plan(build.sources())
            }
            #expect(plans.map(\.platform.architecture) == ["amd64", "arm64"])
            #expect(workshop.bases.asked.map(\.architecture).sorted() == ["amd64", "arm64"])
        }
    }

    @Test func `says once what is found for all platforms`() async throws {
        try await withWorkshop { workshop in
            var request = try workshop.request("FROM base as a\n")
            request.platforms = [try Platform(parsing: "linux/amd64"), try Platform(parsing: "linux/arm64")]
            let channel = ProgressChannel()
            _ = try await workshop.engine.withBuild(request, progress: channel) { build in
                try await build.plan(build.sources())
            }
            channel.finish()
            var warnings: [String] = []
            for await event in channel { if case .warning(let warning) = event { warnings.append(warning.short) } }
            #expect(warnings.filter { $0.hasPrefix("FromAsCasing") }.count == 1, "\(warnings)")
        }
    }

    @Test func `gives instructions the time of what SOURCE_DATE_EPOCH names, and no name`() async throws {
        try await withWorkshop { workshop in
            // A directory has no time.
            var request = try workshop.request("FROM base\nARG SOURCE_DATE_EPOCH\nENV TIME=\"<$SOURCE_DATE_EPOCH>\"\n")
            request.buildArguments = [(Array("SOURCE_DATE_EPOCH".utf8), Array("context".utf8))]
            let channel = ProgressChannel()
            let plans = try await workshop.engine.withBuild(request, progress: channel) { build in
                try await build.plan(build.sources())
            }
            channel.finish()
            #expect(plans.first?.configuration.config?.environment?.last == "TIME=<>")
            #expect(plans.first?.sourceDate == nil)
            var warnings: [String] = []
            for await event in channel { if case .warning(let warning) = event { warnings.append(warning.short) } }
            #expect(warnings.filter { $0.hasPrefix("SOURCE_DATE_EPOCH is ignored") }.count == 1, "\(warnings)")
        }
    }

    @Test(
        arguments: [
            (NetworkMode.host, SecurityMode.sandbox, Entitlement.hostNetwork),
            (.sandbox, .insecure, .insecure),
        ]
    )
    func `refuses a graph with a step that does more than it allows`(
        network: NetworkMode,
        security: SecurityMode,
        needed: Entitlement
    ) throws {
        let exec = Exec(
            process: LLB.Process(arguments: ["true"]),
            mounts: [Mount(at: "/", output: 0)],
            network: network,
            security: security
        )
        let graph = Definition(target: Output(try Node(.exec(exec))))
        var request = BuildRequest(.offered("context"))
        #expect(throws: BuildError.self) { try request.checkEntitlements(of: [graph]) }
        request.entitlements = Set(Entitlement.allCases).subtracting([needed])
        #expect(throws: BuildError.self) { try request.checkEntitlements(of: [graph]) }
        request.entitlements = [needed]
        #expect(throws: Never.self) { try request.checkEntitlements(of: [graph]) }
    }

    @Test func `that fails is in the history with its error`() async throws {
        try await withWorkshop { workshop in
            let request = try workshop.request("FROM nowhere\n")
            await #expect(throws: FrontendError.self) {
                try await workshop.engine.build(request, progress: ProgressChannel())
            }
            let record = try #require(try await BuildHistory(store: workshop.store).last())
            #expect(record.status == .failed)
            #expect(record.error?.contains("nowhere") == true)
        }
    }

    @Test func `that is cancelled is over`() async throws {
        try await withWorkshop { workshop in
            let request = try workshop.request("FROM endless\n")
            let build = Task { try await workshop.engine.build(request, progress: ProgressChannel()) }
            while workshop.bases.asked.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
            build.cancel()
            await #expect(throws: CancellationError.self) { try await build.value }
            #expect(try await BuildHistory(store: workshop.store).last()?.status == .canceled)
        }
    }
}

@Suite struct `Builds of one engine` {
    @Test func `are offered nothing by each other's caches`() async throws {
        try await withWorkshop { workshop in
            let request = try workshop.request("FROM scratch\n")
            let content = Array("layer".utf8)
            let blob = Descriptor(mediaType: .ociLayer, digest: Digest.sha256(of: content), size: Int64(content.count))
            try await workshop.engine.withBuild(request, progress: ProgressChannel()) { broken in
                broken.snapshots.offers?.offer([blob.digest], by: TestOffer(name: "broken", content: nil))
                try await workshop.engine.withBuild(request, progress: ProgressChannel()) { whole in
                    whole.snapshots.offers?.offer([blob.digest], by: TestOffer(name: "whole", content: content))
                    await #expect(throws: (any Error).self) { try await broken.snapshots.fetch(blob) }
                    try await whole.snapshots.fetch(blob)
                    #expect(broken.snapshots.offers?.withdrawFailed().map(\.name) == ["broken"])
                    #expect(whole.snapshots.offers?.withdrawFailed().isEmpty == true)
                }
            }
        }
    }

    @Test func `run at the same time, each with a lease of its own`() async throws {
        try await withWorkshop { workshop in
            let request = try workshop.request("FROM scratch\n")
            try await workshop.engine.withBuild(request, progress: ProgressChannel()) { first in
                try await workshop.engine.withBuild(request, progress: ProgressChannel()) { second in
                    #expect(first.snapshots.lease !== second.snapshots.lease)
                    #expect(first.member !== second.member)
                    #expect(first.member.isQuiet && second.member.isQuiet)
                }
            }
        }
    }
}

/// Gives the bytes that it was made with, or fails.
private struct TestOffer: BlobOffer {
    let name: String
    let content: [UInt8]?

    func read(_ blob: Descriptor, from offset: Int64, _ receive: ([UInt8]) async throws -> Void) async throws {
        struct Broken: Error {}
        guard let content else { throw Broken() }
        try await receive(Array(content[Int(offset)...]))
    }
}
