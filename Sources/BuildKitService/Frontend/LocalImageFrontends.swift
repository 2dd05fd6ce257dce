package import BuildEngine
import BuildKitProto
package import DockerfileFrontend
import LLB
import LinuxSystem
import OCI
import Operations
package import RemoteCache
import SwiftProtobuf
import SystemPackage
import Text

/// Runs frontends that are images for builds without a daemon.
package struct LocalImageFrontends: ImageFrontends {
    private let cacheSource: @Sendable (String, [String: String]) throws -> CacheSource

    /// - Parameter cacheSource: understands caches that a frontend names by a type and attributes.
    package init(cacheSource: @escaping @Sendable (String, [String: String]) throws -> CacheSource) {
        self.cacheSource = cacheSource
    }

    package func run(_ frontend: OtherFrontend, for build: Build) async throws -> Build.Result {
        let request = build.request
        var offer = LocalOffer()
        try offer.add(request)
        for (name, value) in try request.frontendAttributes() { offer.attributes[name] = value }
        offer.attributes[ImageFrontend.sourceKey] = frontend.image
        offer.attributes["cmdline"] = frontend.commandLine
        var led = request
        led.offeredFiles = LocalDirectories(offer.directories)
        let worker = Moby_Buildkit_V1_Types_WorkerRecord.with {
            $0.id = "slipway"
            $0.platforms = [Pb_Platform(.current)]
        }
        let job = BuildJob(
            id: "",
            led,
            build.asking(led),
            workers: { [worker] },
            cacheSource: cacheSource
        )
        let result = try await frontend.naming { [attributes = offer.attributes] in
            try await job.solve(frontend: "gateway.v0", attributes, inputs: [:], in: job.scope)
        }
        return try await job.export(result)
    }
}

/// The directories of this machine that a frontend may ask for, and what it is told of them.
private struct LocalOffer {
    var directories: [[UInt8]: FilePath] = [:]
    var attributes: [String: String] = [:]

    mutating func add(_ request: BuildRequest) throws {
        switch request.context {
        case .directory(let path): directories["context"] = path
        case .address(let address): attributes["context"] = try request.text(address)
        case .stream, .offered, .graph:
            throw ServiceError.notSupported("a context from standard input with a frontend that is an image")
        }
        switch request.dockerfile {
        case .default: directories["dockerfile"] = directories["context"]
        case .file(let path):
            let directory = path.removingLastComponent()
            directories["dockerfile"] = directory.isEmpty ? "." : directory
            attributes["filename"] = try request.text(path.lastComponent.map { FilePath(root: nil, [$0]).bytes } ?? [])
        case .inContext(let path): attributes["filename"] = try request.text(path.bytes)
        case .content, .address, .offered, .graph:
            throw ServiceError.notSupported(
                "a Dockerfile from standard input or a web server with a frontend that is an image"
            )
        }
        for (name, value) in request.namedContexts {
            let (name, value) = try (request.text(name), request.text(value))
            if value.contains("://") || BuildRequest.isAddress(Array(value.utf8)) || value.hasPrefix("docker-image:") {
                attributes["context:\(name)"] = value
            } else {
                attributes["context:\(name)"] = "local:\(name)"
                directories[Array(name.utf8)] = request.workingDirectory.pushing(FilePath(value))
                    .lexicallyNormalized()
            }
        }
    }
}

extension BuildRequest {
    /// Attributes are text.
    fileprivate func text(_ bytes: [UInt8]) throws(ServiceError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .notSupported(
                "\"\(escapedForDisplay(bytes))\", which is not valid UTF-8, with a frontend that is an image"
            )
        }
        return text
    }

    /// What a frontend is told of the request besides its files.
    fileprivate func frontendAttributes() throws -> [String: String] {
        var attributes: [String: String] = [:]
        func set(_ name: String, _ value: String) { if !value.isEmpty { attributes[name] = value } }
        set("target", try text(target ?? []))
        for (name, value) in buildArguments { attributes["build-arg:" + (try text(name))] = try text(value) }
        for (name, value) in labels { attributes["label:" + (try text(name))] = try text(value) }
        set("platform", platforms.map(\.description).joined(separator: ","))
        if isMultiPlatform, platforms.count <= 1 { set("multi-platform", "true") }
        if ignoresCache {
            attributes["no-cache"] = ""
        } else {
            set("no-cache", uncachedStages.sorted().joined(separator: ","))
        }
        set("image-resolve-mode", pullsBaseImages ? "pull" : "local")
        if network != .default { set("force-network-mode", network.rawValue) }
        let hosts = extraHosts.map { String(decoding: $0.name + "=" + $0.address, as: UTF8.self) }
        set("add-hosts", hosts.joined(separator: ","))
        set(
            "ulimit",
            limits.map { "\(String(decoding: $0.name, as: UTF8.self))=\($0.soft):\($0.hard)" }.joined(separator: ",")
        )
        if sharedMemorySize != 0 { set("shm-size", "\(sharedMemorySize)") }
        set("cgroup-parent", String(decoding: controlGroupParent, as: UTF8.self))
        set("hostname", String(decoding: hostname, as: UTF8.self))
        return attributes
    }
}
