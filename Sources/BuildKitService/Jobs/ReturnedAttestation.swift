import Attestations
import BuildEngine
import BuildKitProto
import Exporters
import FoundationEssentials
import OCI
import Snapshots
import SwiftProtobuf
import SystemPackage
import Text

/// What a frontend says of a result: statements in files of another result.
struct ReturnedAttestation: Sendable {
    enum Kind: Sendable {
        /// A file with a predicate.
        case predicate
        /// A directory of statements.
        case bundle
    }

    let kind: Kind
    /// The result that has the files; nil where the frontend names none.
    let reference: String?
    let path: FilePath
    let predicateType: String
    var subjects: [BuiltAttestation.Subject] = []
    var metadata: [String: [UInt8]] = [:]

    // Keys of the metadata.
    static let reasonKey = "reason"
    static let coreKey = "sbom-core"
    static let inlineOnlyKey = "inline-only"

    init(_ kind: Kind, in reference: String?, at path: FilePath, predicateType: String) {
        self.kind = kind
        self.reference = reference
        self.path = path
        self.predicateType = predicateType
    }

    /// What a scanner for parts found.
    /// - Parameter reference: the result with its statements.
    /// - Returns: the attestation.
    static func scan(_ reference: String?) -> ReturnedAttestation {
        var attestation = ReturnedAttestation(.bundle, in: reference, at: "", predicateType: Statement.spdx)
        attestation.metadata = [reasonKey: "sbom", coreKey: Array(PartsScanner.core.utf8)]
        return attestation
    }

    /// What exporters take.
    /// - Parameter tree: the files of the result.
    /// - Returns: the attestation.
    func built(from tree: FileTree) -> BuiltAttestation {
        let content: BuiltAttestation.Content = kind == .bundle ? .bundle(tree, path) : .file(tree, path)
        var attestation = BuiltAttestation(predicateType, content, path: path)
        attestation.subjects = subjects
        attestation.core = metadata[Self.coreKey].map { String(decoding: $0, as: UTF8.self) }
        attestation.isInlineOnly = metadata[Self.inlineOnlyKey]?.elementsEqual("true".utf8) ?? false
        return attestation
    }
}

// MARK: Messages

extension ReturnedAttestation {
    init(_ message: Moby_Buildkit_V1_Frontend_Attestation) throws(ServiceError) {
        switch message.kind {
        case .inToto: kind = .predicate
        case .bundle: kind = .bundle
        case .UNRECOGNIZED(let number): throw .invalidResult("unknown attestation kind \(number)")
        }
        reference = message.hasRef && !message.ref.id.isEmpty ? message.ref.id : nil
        path = FilePath(message.path)
        predicateType = message.inTotoPredicateType
        metadata = message.metadata.mapValues { [UInt8]($0) }
        for subject in message.inTotoSubjects {
            switch subject.kind {
            case .self_: subjects.append(.result(name: subject.name))
            case .raw:
                var digests: [Digest] = []
                for text in subject.digest {
                    do throws(OCIError) { digests.append(try Digest(parsing: text)) } catch {
                        throw .invalidResult("an attestation's subject: \(error)")
                    }
                }
                let name = subject.name.isEmpty ? "_" : subject.name
                subjects.append(.other(Statement.Subject(name: name, digests: digests)))
            case .UNRECOGNIZED(let number): throw .invalidResult("unknown attestation subject type \(number)")
            }
        }
    }

    var message: Moby_Buildkit_V1_Frontend_Attestation {
        .with { message in
            message.kind = kind == .bundle ? .bundle : .inToto
            if let reference { message.ref.id = reference }
            message.path = path.string
            message.inTotoPredicateType = predicateType
            message.metadata = metadata.mapValues { Data($0) }
            message.inTotoSubjects = subjects.map { subject in
                .with {
                    switch subject {
                    case .result(let name):
                        $0.kind = .self_
                        $0.name = name
                    case .other(let subject):
                        $0.kind = .raw
                        $0.name = subject.name
                        $0.digest = subject.digests.map(\.description)
                    }
                }
            }
        }
    }
}
