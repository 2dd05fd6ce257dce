package import ClientServices
internal import FoundationEssentials
package import LLB
internal import LinuxSystem
internal import OCI
package import Storage
internal import Synchronization
internal import SystemPackage
internal import Text

/// The commit that a source names.
package struct GitCommit: Hashable, Sendable {
    /// 40 or 64 lower-case hexadecimal digits.
    package let id: String
    /// The full name of the reference that led to it; nil for a commit that was named itself.
    package let reference: [UInt8]?
    /// The id of the annotated tag that the reference is; nil where it leads to the commit itself.
    package let tag: String?

    init(id: String, reference: [UInt8]?, tag: String? = nil) {
        self.id = id
        self.reference = reference
        self.tag = tag
    }

    /// Whether its repository names objects by SHA-256; git does not fetch from one kind of repository into the other.
    var isSHA256: Bool { id.utf8.count == 64 }
}

/// Git repositories, of which the store keeps what was fetched.
///
/// What a name means is asked once an instance, which serves one build: the commit that was found is the commit that is built,
/// however the repository changes meanwhile. Commits are fetched without their history into one bare repository for each
/// address, which all processes share: who fetches into it holds its lock alone.
package final class GitRepositories: Sendable {
    let store: Store
    let git: GitProgram
    let client: ClientServices
    /// Brings a bundle into the store.
    let fetchBundle: @Sendable (ImageBlobSource) async throws -> Void
    private let commits = Mutex<[Question: GitCommit]>([:])

    private struct Question: Hashable {
        let address: [UInt8]
        let reference: [UInt8]?
        let bundle: ImageBlobSource?
    }

    /// - Parameters:
    ///   - store: where fetched commits are kept.
    ///   - variables: the environment of the process, of which git gets what it needs.
    ///   - client: what the client offers to prove who it is.
    ///   - fetchBundle: brings a blob that is a bundle into the store.
    package init(
        store: Store,
        variables: [[UInt8]: [UInt8]],
        client: ClientServices,
        fetchBundle: @escaping @Sendable (ImageBlobSource) async throws -> Void
    ) {
        self.store = store
        self.fetchBundle = fetchBundle
        git = GitProgram(variables: variables)
        self.client = client
    }

    // MARK: What a name means

    /// Finds the commit that a source names, without fetching it.
    /// - Throws: `GitError`.
    package func resolve(_ source: GitSource) async throws -> GitCommit {
        if let checksum = source.checksum, !checksum.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) {
            throw GitError.invalidChecksum(escapedForDisplay(checksum))
        }
        if source.bundle != nil, source.reference == nil, let checksum = source.checksum {
            guard GitSource.isCommit(checksum) else { throw GitError.invalidChecksum(escapedForDisplay(checksum)) }
            return GitCommit(id: String(decoding: checksum, as: UTF8.self), reference: nil)
        }
        let question = Question(
            address: source.remote.address,
            reference: source.reference,
            bundle: source.bundle
        )
        let commit: GitCommit
        if let known = commits.withLock({ $0[question] }) {
            commit = known
        } else {
            commit = try await ask(source)
            commits.withLock { $0[question] = commit }
        }
        if let checksum = source.checksum {
            let expected = String(decoding: checksum, as: UTF8.self).lowercased()
            guard commit.id.hasPrefix(expected) else {
                throw GitError.checksumMismatch(expected: escapedForDisplay(checksum), actual: commit.id)
            }
        }
        return commit
    }

    private func ask(_ source: GitSource) async throws -> GitCommit {
        if let reference = source.reference {
            if GitSource.isCommit(reference) {
                return GitCommit(id: String(decoding: reference, as: UTF8.self), reference: nil)
            }
            guard Self.isReference(reference) else { throw GitError.invalidReference(escapedForDisplay(reference)) }
        }
        let name = source.reference ?? "HEAD"
        let list = try await reaching(source) { address, reach in
            try await git.run(
                ["ls-remote", "--quiet", "--symref", "--"].map { Array($0.utf8) } + [address, name, name + "^{}"],
                in: "/",
                reach
            )
        }
        guard let commit = Self.choose(name, from: list) else {
            throw GitError.noSuchReference(
                escapedForDisplay(name),
                repository: escapedForDisplay(source.remote.publicAddress)
            )
        }
        return commit
    }

    /// Picks the answer to a name from what the server lists: a branch before a tag, and of a tag the commit.
    ///
    /// `HEAD` stands for the branch that the server says it is.
    static func choose(_ name: [UInt8], from list: [UInt8]) -> GitCommit? {
        func stripped(_ prefix: String) -> [UInt8] {
            name.starts(with: prefix.utf8) ? Array(name.dropFirst(prefix.utf8.count)) : name
        }
        let exact = name == "HEAD" ? name : "refs/" + stripped("refs/")
        let branch: [UInt8] = "refs/heads/" + stripped("refs/heads/")
        let tag: [UInt8] = "refs/tags/" + stripped("refs/tags/")
        var found: [[UInt8]: String] = [:]
        var branches: [[UInt8]: [UInt8]] = [:]
        for line in list.split(separator: "\n") {
            let fields = line.split(separator: "\t", maxSplits: 1)
            guard fields.count == 2 else { continue }
            if fields[0].starts(with: "ref: ".utf8) { branches[Array(fields[1])] = Array(fields[0].dropFirst(5)) }
            guard GitSource.isCommit(Array(fields[0])) else { continue }
            found[Array(fields[1])] = String(decoding: fields[0], as: UTF8.self)
        }
        for candidate in [exact, branch, tag] {
            guard let object = found[candidate] else { continue }
            let commit = found[candidate + "^{}"]
            return GitCommit(
                id: commit ?? object,
                reference: branches[candidate] ?? candidate,
                tag: commit == nil ? nil : object
            )
        }
        return nil
    }

    /// What git accepts as the name of a reference.
    ///
    /// See git-check-ref-format(1).
    static func isReference(_ name: [UInt8]) -> Bool {
        let forbidden: [UInt8] = " ~^:?*[\\"
        guard name.first != "-", !name.isEmpty, name.count <= 1024, name.last != ".",
            name.allSatisfy({ $0 > 0x20 && $0 != 0x7f && !forbidden.contains($0) })
        else { return false }
        let text = String(decoding: name, as: UTF8.self)
        if text.contains("..") || text.contains("@{") || text == "@" { return false }
        return name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
            !part.isEmpty && part.first != "." && part.suffix(5) != ".lock"
        }
    }

    // MARK: Talking to servers

    /// Lends the address that has a source's commits, with what proves the user to its server.
    func reaching<Value>(
        _ source: GitSource,
        _ body: ([UInt8], GitProgram.Reach) async throws -> Value
    ) async throws -> Value {
        guard let bundle = source.bundle else {
            return try await reachingServer(of: source) { try await body(source.remote.publicAddress, $0) }
        }
        try await fetchBundle(bundle)
        return try await naming("\(bundle.reference)") {
            try await body(store.blobs.path(of: bundle.digest).bytes, .ownRepositories)
        }
    }

    /// Lends what proves the user to the server of a source's repository.
    func reachingServer<Value>(
        of source: GitSource,
        _ body: (GitProgram.Reach) async throws -> Value
    ) async throws -> Value {
        try await naming(escapedForDisplay(source.remote.publicAddress)) {
            try await withAccess(to: source) { try await body(.network($0)) }
        }
    }

    /// Names the repository in what goes wrong with it.
    private func naming<Value>(_ repository: String, _ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch GitError.failed(_, let reason) {
            try Task.checkCancellation()
            throw GitError.unreachable(repository: repository, reason: reason)
        }
    }
}
