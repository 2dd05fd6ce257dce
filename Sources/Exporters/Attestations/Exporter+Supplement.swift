import Attestations
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage
import Text

/// Lists of parts say of each file which layer it is in.
extension Exporter {
    /// A list of the parts of a result with the layers of its files; anything else as it is.
    func supplemented(
        _ attestation: SingleAttestation,
        of image: BuiltImage,
        _ blobs: [Descriptor]
    ) async throws -> SingleAttestation {
        guard attestation.source.isCore, attestation.predicateType == Statement.spdx,
            case .object(let members) = attestation.predicate
        else { return attestation }
        var fields = JSONValue.byName(members)
        guard case .string(let version)? = fields["spdxVersion"], version.hasPrefix("SPDX-") else {
            return attestation
        }
        if case .array(let files)? = fields["files"] {
            let layers = try await layers(ofFiles: files.compactMap(Self.uncommentedName), in: image)
            fields["files"] = .array(
                files.map { file in
                    guard let name = Self.uncommentedName(file), let layer = layers[name],
                        blobs.indices.contains(layer),
                        case .object(let members) = file
                    else { return file }
                    let kept = members.filter { $0.name != "comment" }
                    return .object(kept + [.init("comment", .string("layerID: \(blobs[layer].digest)"))])
                }
            )
        }
        fields["creationInfo"] = Self.withCreator(fields["creationInfo"])
        return SingleAttestation(
            source: attestation.source,
            predicate: .object(sorting: fields),
            predicateType: attestation.predicateType,
            subjects: attestation.subjects
        )
    }

    /// The name of a file of which nothing is said yet.
    private static func uncommentedName(_ file: JSONValue) -> String? {
        guard case .object(let members) = file else { return nil }
        let fields = JSONValue.byName(members)
        if case .string(let comment)? = fields["comment"], !comment.isEmpty { return nil }
        if case .string(let name)? = fields["fileName"] { return name }
        return nil
    }

    private static func withCreator(_ information: JSONValue?) -> JSONValue {
        var fields: [String: JSONValue] = [:]
        if case .object(let members)? = information { fields = JSONValue.byName(members) }
        var creators: [JSONValue] = []
        if case .array(let known)? = fields["creators"] { creators = known }
        fields["creators"] = .array(creators + [.string("Tool: slipway")])
        return .object(sorting: fields)
    }

    /// The number of the layer that each file comes from, the highest that has it.
    private func layers(ofFiles names: [String], in image: BuiltImage) async throws -> [String: Int] {
        var found: [String: Int] = [:]
        var left = Set(names)
        for (number, layer) in image.tree.layers.enumerated().reversed() where !left.isEmpty {
            let wanted = left
            let here = try await snapshots.withMounted(FileTree(layers: [layer])) { root in
                try await onBlockingPool {
                    let root = try RootedDirectory(root)
                    return try wanted.filter { name in
                        let path = FilePath(root: nil, FilePath(name).components)
                        // A mark that something is gone is a device.
                        guard let status = try root.statusIfPresent(path) else { return false }
                        return status.type != .characterDevice
                    }
                }
            }
            for name in here { found[name] = number }
            left.subtract(here)
        }
        return found
    }
}
