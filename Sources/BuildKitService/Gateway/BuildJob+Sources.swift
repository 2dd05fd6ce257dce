import BuildEngine
import BuildKitProto
import DockerfileFrontend
import FoundationEssentials
import Hashing
import Images
import LLB
import LinuxSystem
import OCI
import RemoteSources
import Snapshots
import Storage
import SwiftProtobuf
import Text

/// What a frontend asks about sources.
extension Build {
    func resolveImage(
        _ question: Moby_Buildkit_V1_Frontend_ResolveImageConfigRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_ResolveImageConfigResponse {
        let reference = try ImageReference(parsing: question.ref).withDefaultTag
        if question.resolverType == Self.layoutResolver {
            let store = LayoutStore(
                name: Array(question.storeID.utf8),
                session: Array(question.sessionID.utf8)
            )
            let platform = question.hasPlatform ? Platform(question.platform) : nil
            let base = try await layoutImage(reference, in: store, platform, logName: question.logName)
            return try .with {
                $0.ref = "\(reference)"
                $0.digest = base.digest?.description ?? ""
                $0.config = Data(try StrictJSON.encode(base.configuration))
            }
        }
        let base = try await image(
            reference,
            platform: question.hasPlatform ? Platform(question.platform) : nil,
            mode: question.resolveMode,
            logName: question.logName,
            try policies(question.sourcePolicies)
        )
        return try .with {
            $0.ref = "\(base.reference ?? reference)"
            $0.digest = base.digest?.description ?? ""
            $0.config = Data(try StrictJSON.encode(base.configuration))
        }
    }

    func resolve(
        _ question: Moby_Buildkit_V1_Frontend_ResolveSourceMetaRequest,
        asksClient: Bool = true
    ) async throws -> Moby_Buildkit_V1_Frontend_ResolveSourceMetaResponse {
        guard question.hasSource else { throw ServiceError.missing("the source to resolve") }
        let source = try await admitted(
            Source(question.source),
            platform: question.hasPlatform ? Platform(question.platform) : nil,
            try policies(question.sourcePolicies),
            asksClient: asksClient
        )
        var answer = Moby_Buildkit_V1_Frontend_ResolveSourceMetaResponse()
        answer.source = Pb_SourceOp(source)
        switch source.scheme {
        case Source.imageScheme, Source.layoutScheme: answer.image = try await image(source, question)
        case Source.gitScheme:
            answer.git = try await step(question, source) { try await git(GitSource(source), question) }
        case Source.httpScheme, Source.httpsScheme:
            answer.http = try await step(question, source) { try await file(HTTPSource(source), question) }
        // What a directory of the client holds is only known when it is sent.
        case Source.localScheme: break
        default:
            throw ServiceError.notSupported("to resolve sources of the kind \(source.scheme)://")
        }
        return answer
    }

    private func step<Value>(
        _ question: Moby_Buildkit_V1_Frontend_ResolveSourceMetaRequest,
        _ source: Source,
        _ body: () async throws -> Value
    ) async throws -> Value {
        let shown = escapedForDisplay(withoutCredentials(source.identifier))
        let name = question.logName.isEmpty ? "resolve source metadata for \(shown)" : question.logName
        return try await progress.step(name) { _ in try await body() }
    }

    // MARK: Images

    private func image(
        _ source: Source,
        _ question: Moby_Buildkit_V1_Frontend_ResolveSourceMetaRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_ResolveSourceImageResponse {
        var reference = try ImageReference(parsing: String(decoding: source.rest, as: UTF8.self)).withDefaultTag
        let platform = question.hasPlatform ? Platform(question.platform) : nil
        var answer = Moby_Buildkit_V1_Frontend_ResolveSourceImageResponse()
        if source.scheme == Source.imageScheme, let chain = try await attestations(of: reference, platform, question) {
            answer.digest = "\(chain.root)"
            answer.attestationChain = Moby_Buildkit_V1_Frontend_AttestationChain(chain)
            if question.image.noConfig { return answer }
            reference = reference.replacing(digest: chain.root)
        }
        let base: ResolvedBase
        if let store = LayoutStore(source) {
            base = try await layoutImage(reference, in: store, platform, logName: question.logName)
        } else {
            base = try await image(
                reference,
                platform: platform,
                mode: question.resolveMode,
                logName: question.logName
            )
        }
        answer.digest = base.digest?.description ?? ""
        if !question.image.noConfig { answer.config = Data(try StrictJSON.encode(base.configuration)) }
        return answer
    }

    /// What is attested of an image, if that is asked for.
    private func attestations(
        of reference: ImageReference,
        _ platform: Platform?,
        _ question: Moby_Buildkit_V1_Frontend_ResolveSourceMetaRequest
    ) async throws -> AttestationChain? {
        let predicates = Set(question.image.resolveAttestations)
        if predicates.isEmpty && !question.image.attestationChain { return nil }
        let base = BaseQuestion(reference: reference, platform: (platform ?? .current).normalized)
        let name = question.logName.isEmpty ? "resolve attestations of \(reference)" : question.logName
        return try await progress.step(name) { _ in
            try await attestationsOfAdmitted(base, predicates: predicates)
        }
    }

    /// The number of the resolver that looks into layouts of the client.
    static var layoutResolver: Int32 { 1 }

    /// Finds an image of a layout of the client, and shows that as a step.
    private func layoutImage(
        _ reference: ImageReference,
        in store: LayoutStore,
        _ platform: Platform?,
        logName: String
    ) async throws -> ResolvedBase {
        let name = logName.isEmpty ? "resolve image config for \(reference)" : logName
        return try await progress.step(name) { _ in
            try await resolve(reference, in: store, platform: (platform ?? .current).normalized)
        }
    }

    /// Finds an image, and shows that as a step.
    fileprivate func image(
        _ reference: ImageReference,
        platform: Platform?,
        mode: String,
        logName: String,
        _ policies: [SourcePolicy]? = nil
    ) async throws -> ResolvedBase {
        let name = logName.isEmpty ? "resolve image config for \(reference)" : logName
        let question = BaseQuestion(
            reference: reference,
            platform: (platform ?? .current).normalized,
            asksRegistry: mode == "pull" || (request.pullsBaseImages && mode != "local"),
            isPlatformGiven: platform != nil
        )
        return try await progress.step(name) { _ in
            // Without policies the name is one that they have judged.
            if let policies { return try await resolve(question, policies) }
            return try await resolveAdmitted(question)
        }
    }

    private func policies(
        _ messages: [Moby_Buildkit_V1_Sourcepolicy_Policy]
    ) throws(SourcePolicyError) -> [SourcePolicy] {
        var policies: [SourcePolicy] = []
        for message in messages { policies.append(try SourcePolicy(message)) }
        return policies
    }

    // MARK: Git and HTTP

    private func git(
        _ source: GitSource,
        _ question: Moby_Buildkit_V1_Frontend_ResolveSourceMetaRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_ResolveSourceGitResponse {
        let commit = try await self.commit(of: source)
        var answer = Moby_Buildkit_V1_Frontend_ResolveSourceGitResponse()
        answer.checksum = commit.tag ?? commit.id
        answer.ref = commit.reference.map { String(decoding: $0, as: UTF8.self) } ?? commit.id
        if commit.tag != nil, !source.keepsGitDirectory { answer.commitChecksum = commit.id }
        if question.git.returnObject {
            let objects = try await self.objects(of: commit, of: source)
            answer.commitObject = Data(objects.commit)
            if let tag = objects.tag {
                answer.tagObject = Data(tag)
                answer.commitChecksum = objects.id
            }
        }
        return answer
    }

    private func file(
        _ source: HTTPSource,
        _ question: Moby_Buildkit_V1_Frontend_ResolveSourceMetaRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_ResolveSourceHTTPResponse {
        let wanted = question.http.hasChecksumRequest ? question.http.checksumRequest : nil
        if let wanted { try Self.check(wanted) }
        let found = try await download(source)
        var answer = Moby_Buildkit_V1_Frontend_ResolveSourceHTTPResponse()
        answer.checksum = found.digest.description
        answer.filename = String(decoding: found.fileName, as: UTF8.self)
        if found.modified != 0 { answer.lastModified.seconds = found.modified }
        guard let wanted else { return answer }
        let content = try await self.content(of: source, found)
        answer.checksumResponse = try await checksum(of: content.digest, wanted)
        return answer
    }

    /// What signatures append to what they sign is short.
    private static let suffixLimit = 4096

    private static func check(_ wanted: Moby_Buildkit_V1_Frontend_ChecksumRequest) throws(ServiceError) {
        if wanted.suffix.count > suffixLimit {
            throw .invalidResult("http checksum request suffix exceeds max size \(suffixLimit)")
        }
        if case .UNRECOGNIZED(let number) = wanted.algo {
            throw .invalidResult("unsupported checksum algorithm \(number)")
        }
    }

    /// The digest of a blob with some bytes after it.
    private func checksum(
        of blob: OCI.Digest,
        _ wanted: Moby_Buildkit_V1_Frontend_ChecksumRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_ChecksumResponse {
        let blobs = snapshots.store.blobs
        let digest = try await onBlockingPool {
            let file = try blobs.open(blob)
            return switch wanted.algo {
            case .sha384: "sha384:" + (try Self.hexadecimalHash(of: file, wanted.suffix, .sha384))
            case .sha512: "sha512:" + (try Self.hexadecimalHash(of: file, wanted.suffix, .sha512))
            case .sha256, .UNRECOGNIZED: "sha256:" + (try Self.hexadecimalHash(of: file, wanted.suffix, .sha256))
            }
        }
        return .with {
            $0.digest = digest
            $0.suffix = wanted.suffix
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func hexadecimalHash(
        of file: OpenFile,
        _ suffix: Data,
        _ size: SecureHash.Size
    ) throws(SystemCallError) -> String {
        var hash = SecureHash(size)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4096)
        defer { buffer.deallocate() }
        while true {
            let count = try file.read(into: buffer)
            if count == 0 { break }
            hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        hash.update(suffix)
        return hexadecimal(hash.finalized())
    }
}

extension Moby_Buildkit_V1_Frontend_AttestationChain {
    init(_ chain: AttestationChain) {
        self.init()
        root = "\(chain.root)"
        imageManifest = "\(chain.image)"
        if let attestation = chain.attestation { attestationManifest = "\(attestation)" }
        if let signature = chain.signature { signatureManifests = ["\(signature)"] }
        for (descriptor, bytes) in chain.documents {
            blobs["\(descriptor.digest)"] = .with {
                $0.descriptor = .with {
                    $0.mediaType = descriptor.mediaType.rawValue
                    $0.digest = "\(descriptor.digest)"
                    $0.size = descriptor.size
                    $0.annotations = descriptor.annotations ?? [:]
                }
                $0.data = Data(bytes)
            }
        }
    }
}

// MARK: Frontends

extension BuildJob {
    /// The configuration and the files of an image that is to run as a frontend.
    func frontendImage(_ name: String) async throws -> (configuration: ImageConfiguration, files: FileTree) {
        let reference = try ImageReference(parsing: name).withDefaultTag
        let base = try await build.image(reference, platform: nil, mode: "", logName: "", [])
        let named = base.reference ?? reference
        let pinned = base.digest.map { named.replacing(digest: $0) } ?? named
        let source = try LLB.Output.image(
            "\(pinned)",
            platform: .current,
            attributes: ["image.recordtype": "frontend"],
            metadata: Metadata(name: Array("[frontend] \(pinned)".utf8))
        )
        let solved = try await build.solve([Definition(target: source)], known: [:], caches: [])
        return (base.configuration, solved.trees.first ?? .empty)
    }
}
