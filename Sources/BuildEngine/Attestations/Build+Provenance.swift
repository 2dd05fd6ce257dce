package import Attestations
import BuildCache
import BuildGraph
import DockerfileFrontend
package import Exporters
package import LLB
import LinuxSystem
package import OCI
import Operations
import Snapshots
import SystemPackage
package import Text

/// How an image came to be, as far as its provenance tells of it.
package struct ImageOrigin: Sendable {
    package let definition: Definition
    /// What was asked for.
    package let parameters: BuildParameters
    /// What it was made of.
    package let materials: Materials

    package init(_ definition: Definition, _ parameters: BuildParameters, madeOf materials: Materials) {
        self.definition = definition
        self.parameters = parameters
        self.materials = materials
    }
}

/// What is recorded of how an image came to be, whether or not it is said in the image too.
package struct RecordedProvenance: Sendable {
    /// What the image is for; nil where there is one image.
    package let platform: OCI.Platform?
    package let predicateType: String
    package let predicate: JSONValue
}

extension Build {
    /// Whether anything tells how results came to be.
    package var tellsOrigins: Bool {
        request.attestations.provenance != nil || request.recordedProvenance != nil
    }

    /// Finds out something for provenance; where that is only recorded, a failure of it is none of the build.
    package func unlessOnlyRecorded<Value>(_ body: () async throws -> Value) async throws -> Value? {
        do {
            return try await body()
        } catch {
            if request.attestations.provenance != nil || error is CancellationError { throw error }
            return nil
        }
    }

    /// What is recorded of images, when they are exported.
    func recorded(
        _ images: [ClientImage],
        isMultiPlatform: Bool,
        in solved: SolvedBuild
    ) async throws -> [RecordedProvenance] {
        guard let options = request.recordedProvenance else { return [] }
        var all: [RecordedProvenance] = []
        for image in images {
            guard let origin = image.origin, origin.definition.target != nil else { continue }
            let predicate = try await unlessOnlyRecorded {
                try await provenance(of: origin, options, in: solved)(.none)
            }
            guard let predicate else { continue }
            all.append(
                RecordedProvenance(
                    platform: isMultiPlatform ? image.configuration.platform.normalized : nil,
                    predicateType: options.version.predicateType,
                    predicate: predicate
                )
            )
        }
        return all
    }

    /// How the image of a plan came to be.
    func origin(of plan: BuildPlan, among all: FrontendPlans) async throws -> ImageOrigin {
        var materials = try await materials(of: [plan.definition])
        materials.merge(all.reads)
        let platforms = all.plans.map(\.platform)
        for image in all.images.only(for: plan.platform, of: platforms) { materials.add(image) }
        return ImageOrigin(plan.definition, request.parameters, madeOf: materials)
    }

    /// What is said of an image besides what its frontend says: what the request asks for.
    func attestations(of origin: ImageOrigin?, in solved: SolvedBuild) async throws -> [BuiltAttestation] {
        guard let options = request.attestations.provenance, let origin, origin.definition.target != nil else {
            return []
        }
        var attestation = BuiltAttestation(
            options.version.predicateType,
            .made(try await provenance(of: origin, options, in: solved)),
            path: FilePath(options.fileName)
        )
        attestation.isInlineOnly = options.isInlineOnly
        return [attestation]
    }

    /// Makes what tells how an image came to be, once its layers are there.
    package func provenance(
        of origin: ImageOrigin,
        _ options: ProvenanceOptions,
        in solved: SolvedBuild
    ) async throws -> @Sendable (ExportedLayers) async throws -> JSONValue {
        var provenance = Provenance(origin.materials, origin.parameters, options)
        provenance.id = id
        provenance.started = started
        provenance.surroundings = try await onBlockingPool { [parts] in try parts.surroundings() }
        let steps = options.mode == .max ? try origin.definition.steps() : nil
        if let steps {
            provenance.steps = Provenance.JSONSteps(
                definition: steps.document,
                mapping: steps.mapping,
                sources: steps.sources
            )
        }
        try provenance.check()
        return { [self, provenance] exported in
            var known: [String: [Descriptor]] = [:]
            if let steps { known = try await layers(of: steps, in: solved, exported) }
            return provenance.predicate(finished: parts.now(), layers: known)
        }
    }

    /// The blobs of what steps gave, by `step:result`, as far as there are such.
    private func layers(
        of steps: DefinitionSteps,
        in solved: SolvedBuild,
        _ exported: ExportedLayers
    ) async throws -> [String: [Descriptor]] {
        if exported.blobs.isEmpty { return [:] }
        let stored = StoredCacheIndex(store: store, lease: snapshots.lease)
        var found: [String: [Descriptor]] = [:]
        for (digest, number) in steps.numbers {
            var outputs = solved.outputs[digest]
            // The result of a step before a cached one is not needed.
            if outputs == nil, let key = solved.keys[digest], let record = try await stored.record(for: key) {
                outputs = try await stored.outputs(of: record)
            }
            for (index, output) in (outputs ?? []).enumerated() {
                guard let layers = output.tree?.layers, !layers.isEmpty, let blobs = exported.blobs(of: layers) else {
                    continue
                }
                found["\(DefinitionSteps.name(number)):\(index)"] = blobs
            }
        }
        return found
    }
}
