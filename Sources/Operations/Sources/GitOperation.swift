import BuildGraph
import LLB
import LinuxSystem
import OCI
import RemoteSources
import Snapshots
internal import Text

/// Brings in the files of a commit: the first half of `ADD repository`, and a build context from git.
///
/// Left out of the key: the address and the name that led to the commit, because its id stands for all of it;
/// credentials; the keys that must have signed it, which are checked each time.
struct GitOperation: VertexOperation {
    let source: GitSource
    let environment: OperationEnvironment

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        let commit = try await environment.repositories.resolve(source)
        // Also for what is in the cache: a signature that does not do must not let a build pass.
        try await environment.repositories.checkSignature(of: commit, of: source)
        var components = Self.key(of: source, commit: commit.id, reference: commit.reference)
        if source.keepsGitDirectory, let tag = commit.tag { components.append(KeyComponent("tag", tag)) }
        return CacheMap(components: components)
    }

    static func key(of source: GitSource, commit: String, reference: [UInt8]?) -> [KeyComponent] {
        [
            KeyComponent("kind", "git"), KeyComponent("commit", commit),
            KeyComponent("directory", source.subdirectory ?? []),
            KeyComponent("keeps .git", "\(source.keepsGitDirectory)"),
            // What .git says of itself.
            KeyComponent("reference", source.keepsGitDirectory ? reference ?? [] : []),
            KeyComponent("submodules", "\(!source.skipsSubmodules)"),
            KeyComponent("times", source.hasCheckoutTimes ? "of the check-out" : "of the commit"),
        ] + (source.makesBundle ? [KeyComponent("bundle", reference ?? [])] : [])
    }

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        let commit = try await environment.repositories.resolve(source)
        await context.log("\(commit.id)\t\(commit.reference.map { escapedForDisplay($0) } ?? "commit")\n")
        let (_, layer) = try await environment.snapshots.withActiveSnapshot(on: .empty) { active in
            try await environment.repositories.checkOut(commit, of: source, into: active.root)
        }
        return [.tree(FileTree(layers: [layer]))]
    }
}
