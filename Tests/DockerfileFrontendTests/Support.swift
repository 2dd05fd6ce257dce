import DockerfileFrontend
import DockerfileSyntax
import LLB
import OCI
import Synchronization

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

extension [UInt8] {
    var text: String { String(decoding: self, as: UTF8.self) }
}

/// Images by their full name; what is not there is an error.
///
/// Notes what it was asked.
final class Images: ImageMetadataResolver {
    struct NotFound: Error, CustomStringConvertible {
        let reference: ImageReference
        var description: String { "failed to resolve source metadata for \(reference): not found" }
    }

    private let images: [String: ImageConfiguration]
    private let asked = Mutex<[String]>([])

    init(_ images: [String: ImageConfiguration] = [:]) { self.images = images }

    var questions: [String] { asked.withLock { $0 }.sorted() }

    func resolve(_ reference: ImageReference, platform: Platform) async throws -> ResolvedBase {
        asked.withLock { $0.append("\(reference) \(platform)") }
        guard let image = images[reference.description] else { throw NotFound(reference: reference) }
        return ResolvedBase(digest: Digest.sha256(of: bytes(reference.description)), configuration: image)
    }
}

/// An image with one layer.
func image(_ change: (inout ContainerDefaults) -> Void = { _ in }) -> ImageConfiguration {
    var image = ImageConfiguration(platform: Platform(os: "linux", architecture: "amd64"))
    image.created = "2026-01-01T00:00:00Z"
    image.rootFileSystem = RootFileSystem(diffIDs: [Digest.sha256(of: bytes("layer"))])
    image.history = [HistoryEntry(created: "2026-01-01T00:00:00Z", createdBy: "ADD rootfs.tar / # buildkit")]
    var defaults = ContainerDefaults()
    defaults.environment = ["PATH=/usr/bin:/bin", "BASE=yes"]
    defaults.command = ["/bin/sh"]
    change(&defaults)
    image.config = defaults
    return image
}

let alpine = "docker.io/library/alpine:latest"

/// Plans a Dockerfile on amd64, whatever machine the tests run on.
func plan(
    _ text: String,
    images: Images = Images([alpine: image()]),
    _ change: (inout BuildOptions) -> Void = { _ in }
) async throws -> BuildPlan {
    var options = BuildOptions()
    options.buildPlatform = Platform(os: "linux", architecture: "amd64")
    change(&options)
    let dockerfile = try Dockerfile(parsing: bytes(text), name: "Dockerfile")
    return try await translate(dockerfile, options: options, resolver: images)
}

/// The message of the error that planning gives, or nil.
func message(
    _ text: String,
    images: Images = Images([alpine: image()]),
    _ change: (inout BuildOptions) -> Void = { _ in }
) async -> String? {
    do {
        _ = try await plan(text, images: images, change)
        return nil
    } catch let error as FrontendError {
        return error.message
    } catch let error as DockerfileError {
        return error.message
    } catch {
        return "\(error)"
    }
}

extension BuildPlan {
    /// The titles of the nodes, in their order.
    var titles: [String] { definition.nodes.map { $0.metadata.name?.text ?? "" } }

    var defaults: ContainerDefaults { configuration.config ?? ContainerDefaults() }

    /// The image's history without that of the base, layers marked with a plus.
    var ownHistory: [String] {
        (configuration.history ?? []).filter { $0.created == nil }.map {
            ($0.emptyLayer == true ? "" : "+ ") + ($0.createdBy ?? "")
        }
    }

    /// The processes that are run, in their order.
    var processes: [Process] {
        definition.nodes.compactMap { node in
            if case .exec(let exec) = node.operation { exec.process } else { nil }
        }
    }

    var executions: [Exec] {
        definition.nodes.compactMap { node in
            if case .exec(let exec) = node.operation { exec } else { nil }
        }
    }

    /// The copies that are made, in their order.
    var copies: [FileCopy] {
        changes.compactMap { change in
            if case .copy(let copy, _) = change { copy } else { nil }
        }
    }

    var changes: [FileChange] {
        definition.nodes.flatMap { node in
            if case .file(let actions) = node.operation { actions.map(\.change) } else { [FileChange]() }
        }
    }

    /// What is downloaded.
    var downloads: [HTTPSource] {
        definition.nodes.compactMap { node in
            guard case .source(let source) = node.operation, source.scheme.hasPrefix("http") else { return nil }
            return try? HTTPSource(source)
        }
    }

    var local: LocalSource? {
        for node in definition.nodes {
            guard case .source(let source) = node.operation, source.scheme == "local" else { continue }
            return try? LocalSource(source)
        }
        return nil
    }
}
