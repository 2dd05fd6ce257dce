import Attestations
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage
import Text

/// An attestation that is one statement.
struct SingleAttestation: Sendable {
    let source: BuiltAttestation
    let predicate: JSONValue
    let predicateType: String
    let subjects: [BuiltAttestation.Subject]

    /// The name of its file.
    var fileName: String { source.path.lastComponent?.string ?? "" }

    /// - Parameter names: what the result is.
    /// - Returns: the statement.
    func statement(of names: [Statement.Subject]) -> Statement {
        var all: [Statement.Subject] = []
        for subject in subjects.isEmpty ? [.result(name: "")] : subjects {
            switch subject {
            case .other(let subject): all.append(subject)
            case .result(let name):
                for own in names {
                    all.append(own)
                    if !name.isEmpty, name != "_" { all.append(Statement.Subject(name: name, digests: own.digests)) }
                }
            }
        }
        return Statement(predicateType, of: all, predicate)
    }
}

extension Exporter {
    /// What a file of an attestation may hold.
    private static let sizeLimit = 40 << 20

    /// The attestations of an image, bundles taken apart, what is about the result itself first.
    func attestations(
        of image: BuiltImage,
        withInline: Bool,
        _ layers: ExportedLayers
    ) async throws -> [SingleAttestation] {
        var single: [SingleAttestation] = []
        for attestation in image.attestations where withInline || !attestation.isInlineOnly {
            single += try await statements(of: attestation, layers)
        }
        return single.filter(\.source.isCore) + single.filter { !$0.source.isCore }
    }

    private func statements(
        of attestation: BuiltAttestation,
        _ layers: ExportedLayers
    ) async throws -> [SingleAttestation] {
        switch attestation.content {
        case .made(let make):
            return [Self.single(attestation, try await make(layers))]
        case .file(let tree, let path):
            if path.isEmpty { throw ExportError.attestation(reason: "attestation does not have set path") }
            if attestation.predicateType.hasPrefix(Statement.provenancePrefix) {
                throw ExportError.attestation(reason: "frontend may not set provenance attestations")
            }
            return try await snapshots.withMounted(tree) { root in
                try await onBlockingPool {
                    let bytes = try Self.read(path, in: RootedDirectory(root))
                    let predicate: JSONValue = bytes.isEmpty ? .null : try Self.parsed(bytes, path)
                    return [Self.single(attestation, predicate)]
                }
            }
        case .bundle(let tree, let place):
            let path = FilePath(root: nil, place.components)
            return try await snapshots.withMounted(tree) { root in
                try await onBlockingPool {
                    let root = try RootedDirectory(root)
                    return try root.entries(of: path).sorted { $0.lexicographicallyPrecedes($1) }.map { name in
                        let file = path.appending(name: name)
                        return try Self.statement(in: Self.read(file, in: root), at: file, of: attestation)
                    }
                }
            }
        }
    }

    private static func single(_ attestation: BuiltAttestation, _ predicate: JSONValue) -> SingleAttestation {
        SingleAttestation(
            source: attestation,
            predicate: predicate,
            predicateType: attestation.predicateType,
            subjects: attestation.subjects
        )
    }

    /// A statement that a frontend or a scanner wrote.
    private static func statement(
        in bytes: [UInt8],
        at path: FilePath,
        of bundle: BuiltAttestation
    ) throws -> SingleAttestation {
        func text(_ value: JSONValue?) -> String { if case .string(let text)? = value { text } else { "" } }
        guard case .object(let members) = try parsed(bytes, path) else {
            throw ExportError.attestation(reason: "cannot decode in-toto statement: it is no object")
        }
        let fields = JSONValue.byName(members)
        let type = text(fields["predicateType"])
        if !bundle.predicateType.isEmpty, type != bundle.predicateType {
            throw ExportError.attestation(
                reason: "bundle entry \(safe(type)) does not match required predicate type \(bundle.predicateType)"
            )
        }
        if type.hasPrefix(Statement.provenancePrefix) {
            throw ExportError.attestation(reason: "frontend may not bundle provenance attestations")
        }
        var subjects: [BuiltAttestation.Subject] = []
        if case .array(let values)? = fields["subject"] {
            for case .object(let members) in values {
                let fields = JSONValue.byName(members)
                var digests: [Digest] = []
                if case .object(let pairs)? = fields["digest"] {
                    digests = try pairs.map { try Digest(parsing: "\($0.name):\(text($0.value))") }
                }
                subjects.append(.other(Statement.Subject(name: text(fields["name"]), digests: digests)))
            }
        }
        var single = bundle
        single.path = path
        return SingleAttestation(
            source: single,
            predicate: fields["predicate"] ?? .null,
            predicateType: type,
            subjects: subjects
        )
    }

    private static func safe(_ text: String) -> String { escapedForDisplay(Array(text.utf8)) }

    private static func parsed(_ bytes: [UInt8], _ path: FilePath) throws -> JSONValue {
        do { return try JSONValue(parsing: bytes) } catch {
            throw ExportError.attestation(
                reason: "cannot decode in-toto statement in \(escapedForDisplay(path.bytes)): it is no JSON document"
            )
        }
    }

    /// A regular file, which no link leads out of the tree.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func read(_ path: FilePath, in root: RootedDirectory) throws -> [UInt8] {
        let shown = escapedForDisplay(path.bytes)
        do throws(SystemCallError) {
            let file = try root.open(FilePath(root: nil, path.components), [.readOnly, .nonBlocking])
            if try file.status().type == .regular { return try file.readToEnd(limit: sizeLimit) }
        } catch {
            let reason = error.errno == .fileTooLarge ? "exceeds \(sizeLimit) bytes" : "\(error)"
            throw ExportError.attestation(reason: "cannot read in-toto attestation: \(shown) \(reason)")
        }
        throw ExportError.attestation(reason: "cannot read in-toto attestation: \(shown) is not a regular file")
    }
}
