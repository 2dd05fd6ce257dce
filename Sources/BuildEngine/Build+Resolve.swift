package import LLB
package import RemoteSources

/// What a client that leads its build asks about sources, before a step brings them in.
extension Build {
    /// Finds the commit that a source names.
    /// - Throws: `GitError`, also for one that is not signed as the source wants it.
    package func commit(of source: GitSource) async throws -> GitCommit {
        let commit = try await repositories.resolve(source)
        try await repositories.checkSignature(of: commit, of: source)
        return commit
    }

    /// Reads what git keeps of a commit and of its tag.
    package func objects(of commit: GitCommit, of source: GitSource) async throws -> GitRepositories.Objects {
        try await repositories.objects(of: commit, of: source)
    }

    /// Finds out what the address of a file leads to.
    /// - Throws: what downloading throws, and `DownloadError.signature` for one that is not signed as the source wants
    ///   it.
    package func download(_ source: HTTPSource) async throws -> Download {
        try await downloads.checkSignature(of: source)
        return try await downloads.resolve(source)
    }

    /// Makes sure that the content of an address is in the store.
    package func content(of source: HTTPSource, _ found: Download) async throws -> Download {
        try await downloads.fetch(source, expecting: found.digest)
    }
}
