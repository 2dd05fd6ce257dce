package import Attestations
package import DockerfileFrontend
package import LLB
import OCI
import RemoteSources
import Text

/// Plans, and what was read and looked up to make them.
package struct FrontendPlans: Sendable {
    package let plans: [BuildPlan]
    package let reads: Materials
    package let images: [Materials.Image]
}

extension Build {
    /// What graphs take from outside of the build.
    ///
    /// What has no digest by itself is looked up; the build remembers what it found.
    package func materials(of graphs: [Definition]) async throws -> Materials {
        var materials = Materials()
        var seen: Set<Digest> = []
        for node in graphs.flatMap(\.nodes) where seen.insert(node.digest).inserted {
            switch node.operation {
            case .source(let source): try await add(source, node.platform, to: &materials)
            case .exec(let exec): Self.add(exec, to: &materials)
            case .file, .merge, .diff, .build, .passthrough: continue
            }
        }
        return materials
    }

    private func add(_ source: Source, _ platform: Platform?, to materials: inout Materials) async throws {
        switch source.scheme {
        case Source.imageScheme, Source.layoutScheme:
            let reference = try ImageReference(parsing: String(decoding: source.rest, as: UTF8.self))
            let isOfLayout = source.scheme == Source.layoutScheme
            var digest = reference.digest
            if digest == nil, !isOfLayout { digest = try await images.digest(of: reference, platform: platform) }
            materials.add(Materials.Image(reference, platform: platform, digest: digest, isOfLayout: isOfLayout))
        case Source.imageBlobScheme, Source.layoutBlobScheme:
            let blob = try ImageBlobSource(source)
            materials.add(
                Materials.Image(
                    blob.reference,
                    platform: nil,
                    digest: blob.digest,
                    isOfLayout: blob.layout != nil,
                    isBlob: true
                )
            )
        case Source.localScheme:
            materials.addDirectory(String(decoding: source.rest, as: UTF8.self))
        case Source.httpScheme, Source.httpsScheme:
            let file = try HTTPSource(source)
            let digest: Digest
            if let checksum = file.checksum {
                digest = checksum
            } else {
                digest = try await downloads.resolve(file).digest
            }
            materials.addDownload(digest, at: String(decoding: file.url, as: UTF8.self))
        case Source.gitScheme:
            let repository = try GitSource(source)
            let address = repository.remote.address + (repository.reference.map { "#" + $0 } ?? [])
            let commit = try await repositories.resolve(repository)
            let bundle = repository.bundle.map { bundle in
                Materials.Image(
                    bundle.reference.withoutDigest,
                    platform: nil,
                    digest: bundle.digest,
                    isOfLayout: bundle.layout != nil
                )
            }
            materials.addCommit(commit.id, at: String(decoding: address, as: UTF8.self), of: bundle)
            for secret in [repository.tokenSecret, repository.authorizationSecret].compactMap(\.self) {
                materials.addSecret(String(decoding: secret, as: UTF8.self), isOptional: true)
            }
            if let agent = repository.agent {
                materials.addAgent(String(decoding: agent, as: UTF8.self), isOptional: true)
            }
        default: materials.isIncomplete = true
        }
    }

    private static func add(_ exec: Exec, to materials: inout Materials) {
        for mount in exec.mounts {
            switch mount.kind {
            case .secret(let file):
                materials.addSecret(String(decoding: file.id, as: UTF8.self), isOptional: file.isOptional)
            case .ssh(let file):
                materials.addAgent(String(decoding: file.id, as: UTF8.self), isOptional: file.isOptional)
            case .bind, .temporary, .cache: continue
            }
        }
        for secret in exec.secretEnvironment {
            materials.addSecret(String(decoding: secret.id, as: UTF8.self), isOptional: secret.isOptional)
        }
        if exec.network != .none { materials.usesNetwork = true }
    }

    /// What was read and looked up to make plans.
    func frontendPlans(_ plans: [BuildPlan]) async throws -> FrontendPlans {
        var reads = try await materials(of: self.reads.graphs)
        for name in self.reads.directories { reads.addDirectory(name) }
        let images = plans.flatMap(\.images).map { image in
            Materials.Image(
                image.reference,
                platform: image.platform,
                digest: image.digest,
                isOfLayout: image.isOfLayout
            )
        }
        return FrontendPlans(plans: plans, reads: reads, images: images)
    }
}
