import BuildGraph
package import ClientServices
package import LLB
import LinuxSystem
package import OCI
package import RemoteSources
package import Sandboxes
package import Snapshots
import Storage
import SystemPackage
import Text

/// Finds the files of images for the steps that start from them.
package protocol ImageTrees: Sendable {
    /// The layers of an image, known and neither fetched nor unpacked.
    /// - Parameters:
    ///   - reference: the full name, with a digest where the frontend resolved one.
    ///   - layout: the client's layout directory that has the image; nil for one of a registry or the store.
    ///   - platform: which image of several.
    /// - Returns: the layers, lowest first.
    /// - Throws: what finding the image throws.
    func tree(of reference: ImageReference, layout: LayoutStore?, platform: OCI.Platform) async throws -> FileTree

    /// The same image by its digest, which says what it is now; a name without one may lead elsewhere tomorrow.
    func pinned(_ reference: ImageReference, platform: OCI.Platform) async throws -> ImageReference

    /// Makes sure that a blob of a repository or of a layout is in the store, held by the build.
    func fetchBlob(_ source: ImageBlobSource) async throws
}

/// What operations read from outside.
package struct OperationSources: Sendable {
    let images: any ImageTrees
    let downloads: Downloads
    let repositories: GitRepositories

    package init(images: any ImageTrees, downloads: Downloads, repositories: GitRepositories) {
        self.images = images
        self.downloads = downloads
        self.repositories = repositories
    }
}

/// What operations work with, made once for a solve.
package struct OperationEnvironment: Sendable {
    let store: Store
    let snapshots: LeasedSnapshots
    let sandboxes: SandboxRunner
    let networks: StepNetworks
    let images: any ImageTrees
    let downloads: Downloads
    let repositories: GitRepositories
    let cacheMounts: CacheMounts
    /// The directories of the client.
    package var localFiles: any LocalFiles = LocalDirectories()
    /// What the client offers to steps that ask for it.
    package var client = ClientServices()
    /// Makes what a graph describes that a step found.
    package var build: @Sendable (Definition) async throws -> FileTree = { _ in
        throw OperationError.unsupported("a nested build has no builder here")
    }
    /// Whether a client may want to look into what steps leave that fail.
    package var keepsRemains = false
    /// How much of the output of each step is shown.
    package var logLimits = LogLimits()
    /// Devices of the machine, and which of them steps may have.
    package var devices = DeviceRegistry(reading: [])
    package var deviceGrants = DeviceGrants()
    /// Whether file systems can be mounted: else a process gets what it asks for in its own root.
    var canMount: Bool { snapshots.snapshots.level.mounts }
    private let fileDigests: StoredFileDigests
    /// What the keys of steps were computed of.
    let observations = Observations()

    package init(
        snapshots: LeasedSnapshots,
        sandboxes: SandboxRunner,
        networks: SandboxNetworks,
        sources: OperationSources
    ) {
        store = snapshots.store
        self.snapshots = snapshots
        self.sandboxes = sandboxes
        self.networks = StepNetworks(networks)
        images = sources.images
        downloads = sources.downloads
        repositories = sources.repositories
        cacheMounts = CacheMounts(store: snapshots.store, snapshots: snapshots)
        fileDigests = StoredFileDigests(snapshots.store)
    }

    /// The digest of exactly the files that selections use of an output.
    /// - Parameters:
    ///   - output: The files.
    ///   - selections: Which of them.
    ///   - place: The step and the number of its input, under which it is noted what a directory of the client had.
    /// - Returns: The key.
    /// - Throws: What finding and reading the files throws.
    func contentKey(
        of output: BuildOutput,
        _ selections: [Selection],
        at place: Observations.Place
    ) async throws -> ContentKey {
        switch output {
        case .directory(let directory):
            // What has come from a client and is known is changed by no one while a build reads it.
            let settled = directory.known == nil ? currentTime() - 2 : .max
            let content = try await directory.content(of: selections, fileDigests)
            let seen = ObservedFiles(key: content.key.digest, selections: content.items, settled: settled)
            observations.note(seen, at: place)
            return content.key
        case .tree(let tree):
            return try await snapshots.withMounted(tree) { root in
                let sums = snapshots.sums(of: tree)
                let source = try await onBlockingPool {
                    SourceTree(root: try RootedDirectory(root), name: "stage", sums: sums)
                }
                let key = try await ContentDigester(tree: source, memo: UncachedFileDigests())
                    .contentKey(of: selections)
                try await onBlockingPool { try sums.keep() }
                observations.noteCompared(place)
                return key
            }
        }
    }

    /// Lends an output's files as a tree to read.
    /// - Parameters:
    ///   - output: the files.
    ///   - compares: whether regular files that are copied are compared with what their layers had.
    ///   - body: reads them.
    /// - Returns: what that returns.
    /// - Throws: what that throws, and what showing the files throws.
    func withSource<Value>(
        _ output: BuildOutput,
        comparing compares: Bool = false,
        _ body: (SourceTree) async throws -> Value
    ) async throws -> Value {
        switch output {
        case .directory(let directory): return try await body(directory.tree)
        case .tree(let tree):
            return try await snapshots.withMounted(tree) { root in
                let sums = compares ? snapshots.sums(of: tree) : nil
                return try await body(
                    try await onBlockingPool { SourceTree(root: try RootedDirectory(root), name: "stage", sums: sums) }
                )
            }
        }
    }

    /// The files of an output as the store has them: those of a directory of the client are copied.
    package func tree(of output: BuildOutput) async throws -> FileTree {
        switch output {
        case .tree(let tree): return tree
        case .directory(let directory):
            let (_, layer) = try await snapshots.withActiveSnapshot(on: .empty) { active in
                try await copyAll(of: directory, to: active.root, CopyRecord())
            }
            return FileTree(layers: [layer])
        }
    }

    /// Copies everything that a build may see of a directory.
    func copyAll(of directory: LocalDirectory, to root: FilePath, _ record: CopyRecord) async throws {
        try await onBlockingPool {
            try copyTree(from: directory.tree.recording(record), to: RootedDirectory(root))
        }
    }

    /// The files that a selection has of a copy of a directory.
    func items(of selection: Selection, inCopy root: FilePath, of directory: LocalDirectory) async throws
        -> [ContentItem]
    {
        let tree = try await onBlockingPool {
            SourceTree(root: try RootedDirectory(root), name: directory.tree.name, ownership: .root)
        }
        return try await ContentDigester(tree: tree, memo: UncachedFileDigests()).items(of: selection)
    }
}

/// Copies all files of a tree, with their owners, modes and times.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
func copyTree(from source: SourceTree, to destination: RootedDirectory) throws {
    var copy = FileCopy(source: "/", destination: "/")
    copy.copiesDirectoryContents = true
    copy.createsDestination = true
    let copier = try FileCopier(copy, from: source, to: destination, owner: nil)
    _ = try copier.run()
}

/// Copies all files of a directory, with their owners, modes and times.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
func copyTree(from source: RootedDirectory, to destination: RootedDirectory) throws {
    try copyTree(from: SourceTree(root: source, name: []), to: destination)
}
