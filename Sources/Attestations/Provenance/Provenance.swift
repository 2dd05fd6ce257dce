package import BuildGraph
internal import LinuxSystem
package import OCI
package import Text

/// How a result came to be, as SLSA's predicates tell it.
///
/// See BuildKit's docs/attestations/slsa-definitions.md for what each field holds.
package struct Provenance: Sendable {
    /// What is known of a result before it is exported.
    package let materials: Materials
    package let parameters: BuildParameters
    package var options: ProvenanceOptions
    /// The steps of the graph; nil for the empty tree.
    package var steps: JSONSteps?
    package var id = ""
    package var started = Timestamp(nanoseconds: 0)
    /// What the builder's own configuration adds to each.
    package var surroundings: [String: JSONValue] = [:]

    /// The release of the Dockerfile's frontend that is built in.
    package static let dockerfileVersion = "1.26.0"
    /// Which of BuildKit's behaviours a result has, where they changed.
    static let compatibilityVersion = 30

    /// Steps as documents.
    package struct JSONSteps: Sendable {
        package let definition: JSONValue
        package let mapping: JSONValue
        package let sources: JSONValue?

        package init(definition: JSONValue, mapping: JSONValue, sources: JSONValue?) {
            self.definition = definition
            self.mapping = mapping
            self.sources = sources
        }
    }

    package init(_ materials: Materials, _ parameters: BuildParameters, _ options: ProvenanceOptions) {
        self.materials = materials.sorted
        self.parameters = parameters
        self.options = options
    }

    /// Refuses what must not be told.
    package func check() throws(AttestationError) {
        if options.requiresMaterials, !materials.areComplete {
            throw .incompleteMaterials(directories: materials.directories.sorted())
        }
    }

    /// The predicate.
    /// - Parameters:
    ///   - finished: when the build ended.
    ///   - layers: the layers of results of steps, by `step:result`.
    /// - Returns: the document, in the version that is asked for.
    package func predicate(finished: Timestamp, layers: [String: [Descriptor]]) -> JSONValue {
        var told = Told(self, finished: finished)
        if options.mode == .max { told.addDetails(of: self, layers) }
        switch options.version {
        case .v1: return told.v1
        case .v02: return told.v02
        }
    }
}

/// What is told, whatever the version.
private struct Told {
    let dependencies: [JSONValue]
    let source: ConfigurationSource
    let request: JSONValue
    let builder: String
    let builderPlatform: String
    let surroundings: [JSONValue.Member]
    let id: String
    let started: String
    let finished: String
    let isRequestComplete: Bool
    let areMaterialsComplete: Bool
    let isHermetic: Bool
    let isReproducible: Bool
    var configuration: JSONValue?
    var details: [JSONValue.Member] = []

    init(_ provenance: Provenance, finished: Timestamp) {
        let materials = provenance.materials
        var told = RequestProvenance(provenance.parameters, madeOf: materials)
        source = told.source
        var vcs: [String: JSONValue] = [:]
        for (key, value) in told.parameters.arguments where key.hasPrefix("vcs:") {
            told.parameters.arguments[key] = nil
            if !value.isEmpty {
                vcs[String(key.dropFirst("vcs:".count))] = .string(key == "vcs:source" ? redacted(value) : value)
            }
        }
        if !vcs.isEmpty { details.append(.init("vcs", .object(sorting: vcs))) }
        let isReduced = provenance.options.mode == .min && told.parameters.reduce()
        isRequestComplete = !provenance.parameters.frontend.isEmpty && !isReduced
        request = Self.request(told.parameters, materials, isWhole: provenance.options.mode == .max)
        dependencies = Self.dependencies(materials)
        builder = provenance.options.builderID
        builderPlatform = "\(Platform.current.normalized)"
        var surroundings = provenance.surroundings.map { JSONValue.Member($0, $1) }
        if told.parameters.frontend == "dockerfile.v0" {
            surroundings.append(.init("dockerfileVersion", .string(Provenance.dockerfileVersion)))
        }
        self.surroundings = surroundings.sorted { $0.name < $1.name }
        id = provenance.id
        started = FileTime(nanosecondsSinceEpoch: provenance.started.nanoseconds).rfc3339
        self.finished = FileTime(nanosecondsSinceEpoch: finished.nanoseconds).rfc3339
        areMaterialsComplete = materials.areComplete
        isHermetic = materials.areHermetic
        isReproducible = provenance.options.isReproducible
    }

    private static func request(
        _ parameters: BuildParameters,
        _ materials: Materials,
        isWhole: Bool
    ) -> JSONValue {
        func list(_ services: [Materials.ClientService]) -> JSONValue {
            .array(
                services.map { service in
                    .object(
                        [.init("id", .string(service.id))]
                            + (service.isOptional ? [.init("optional", .bool(true))] : [])
                    )
                }
            )
        }
        var members = parameters.members
        if isWhole, !materials.secrets.isEmpty { members.append(.init("secrets", list(materials.secrets))) }
        if isWhole, !materials.agents.isEmpty { members.append(.init("ssh", list(materials.agents))) }
        if !materials.directories.isEmpty {
            let locals = materials.directories.sorted().map { JSONValue.object([.init("name", .string($0))]) }
            members.append(.init("locals", .array(locals)))
        }
        members += parameters.lastMembers
        members.append(.init("compatibilityVersion", .number(Provenance.compatibilityVersion)))
        return .object(members)
    }

    private static func dependencies(_ materials: Materials) -> [JSONValue] {
        func dependency(_ address: String, _ digest: [String: String]) -> JSONValue {
            var members = [JSONValue.Member("uri", .string(address))]
            if !digest.isEmpty {
                members.append(.init("digest", .object(sorting: digest.mapValues { .string($0) })))
            }
            return .object(members)
        }
        func dependency(_ image: Materials.Image, _ content: PackageAddress.Content) -> JSONValue {
            var name = PackageAddress(
                image.reference,
                platform: image.platform,
                kind: image.isOfLayout ? .oci : .docker
            )
            name.content = content
            return dependency("\(name)", image.digest.map { [$0.algorithm.rawValue: $0.hex] } ?? [:])
        }
        let images = materials.images.map { dependency($0, $0.isBlob ? .blob : .image) }
        let commits = materials.commits.flatMap { commit in
            [dependency(commit.address, commit.digest)]
                + (commit.bundle.map { [dependency($0, .bundle(of: commit.address))] } ?? [])
        }
        return images + commits
            + materials.downloads.map { dependency($0.address, [$0.digest.algorithm.rawValue: $0.digest.hex]) }
    }

    /// Adds what only `mode=max` tells.
    mutating func addDetails(of provenance: Provenance, _ layers: [String: [Descriptor]]) {
        guard let steps = provenance.steps else { return }
        configuration = .object([.init("llbDefinition", steps.definition), .init("digestMapping", steps.mapping)])
        if let sources = steps.sources { details.append(.init("source", sources)) }
        if !layers.isEmpty {
            details.append(.init("layers", .object(sorting: layers.mapValues { .array([.array($0.map(\.json))]) })))
        }
    }

    // MARK: Versions

    var v1: JSONValue {
        var definition: [JSONValue.Member] = [
            .init(
                "buildType",
                .string("https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md")
            )
        ]
        if !dependencies.isEmpty { definition.append(.init("resolvedDependencies", .array(dependencies))) }
        definition.append(
            .init(
                "externalParameters",
                .object([.init("configSource", source.json(pathKey: "path")), .init("request", request)])
            )
        )
        var internals = configuration.map { [JSONValue.Member("buildConfig", $0)] } ?? []
        internals += [.init("builderPlatform", .string(builderPlatform))] + surroundings
        definition.append(.init("internalParameters", .object(internals)))
        var metadata: [JSONValue.Member] = [
            .init("invocationId", .string(id)), .init("startedOn", .string(started)),
            .init("finishedOn", .string(finished)), .init("buildkit_metadata", .object(details)),
        ]
        if isHermetic { metadata.append(.init("buildkit_hermetic", .bool(true))) }
        let completeness: [JSONValue.Member] = [
            .init("request", .bool(isRequestComplete)), .init("resolvedDependencies", .bool(areMaterialsComplete)),
        ]
        metadata.append(.init("buildkit_completeness", .object(completeness)))
        if isReproducible { metadata.append(.init("buildkit_reproducible", .bool(true))) }
        return .object([
            .init("buildDefinition", .object(definition)),
            .init(
                "runDetails",
                .object([
                    .init("builder", .object([.init("id", .string(builder))])), .init("metadata", .object(metadata)),
                ])
            ),
        ])
    }

    var v02: JSONValue {
        let environment = [JSONValue.Member("platform", .string(builderPlatform))] + surroundings
        var members: [JSONValue.Member] = [
            .init("builder", .object([.init("id", .string(builder))])),
            .init("buildType", .string("https://mobyproject.org/buildkit@v1")),
        ]
        if !dependencies.isEmpty { members.append(.init("materials", .array(dependencies))) }
        members.append(
            .init(
                "invocation",
                .object([
                    .init("configSource", source.json(pathKey: "entryPoint")), .init("parameters", request),
                    .init("environment", .object(environment)),
                ])
            )
        )
        if let configuration { members.append(.init("buildConfig", configuration)) }
        let completeness: [JSONValue.Member] = [
            .init("parameters", .bool(isRequestComplete)), .init("environment", .bool(true)),
            .init("materials", .bool(areMaterialsComplete)),
        ]
        var metadata: [JSONValue.Member] = [
            .init("buildInvocationID", .string(id)), .init("buildStartedOn", .string(started)),
            .init("buildFinishedOn", .string(finished)), .init("completeness", .object(completeness)),
            .init("reproducible", .bool(isReproducible)),
            .init("https://mobyproject.org/buildkit@v1#metadata", .object(details)),
        ]
        if isHermetic { metadata.append(.init("https://mobyproject.org/buildkit@v1#hermetic", .bool(true))) }
        members.append(.init("metadata", .object(metadata)))
        return .object(members)
    }
}
