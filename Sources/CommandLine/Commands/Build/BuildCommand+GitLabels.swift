internal import BuildEngine
internal import LinuxSystem
internal import Manual
internal import RemoteSources
internal import SystemPackage
internal import Terminal

/// Labels that say which commit an image was built from (`BUILDX_GIT_LABELS`).
extension BuildCommand {
    /// The labels of a context that is a directory of a work tree of git; none where they are not asked for.
    ///
    /// A repository that git does not read is a warning: the image is the same without its labels.
    func gitLabels(
        _ context: ContextLocation,
        _ environment: SlipwayEnvironment
    ) async throws -> [(name: [UInt8], value: [UInt8])] {
        let isFull = environment.variable(.gitLabels)?.elementsEqual("full".utf8) ?? false
        guard isFull || environment.isTrue(.gitLabels), case .directory(let directory) = context else {
            return []
        }
        do {
            let tree = try await GitWorkTree.read(
                at: directory,
                variables: environment.variables,
                marksChanges: environment.isTrue(.gitChecksChanges)
            )
            guard let tree else { return [] }
            var labels: [(String, [UInt8])] = []
            if let revision = tree.revision {
                labels.append(("org.opencontainers.image.revision", Array(revision.utf8)))
            }
            if let remote = tree.remote { labels.append(("org.opencontainers.image.source", remote)) }
            let dockerfile = file.map { environment.path($0) } ?? directory.appending("Dockerfile")
            if let path = try await path(of: dockerfile, in: tree.root) {
                labels.append(("com.docker.image.source.entrypoint", path.bytes))
            }
            return labels.map { (Array($0.utf8), $1) }
        } catch let error as CancellationError {
            throw error
        } catch {
            try await environment.errorOutput.writeLine(
                "WARNING: current commit information was not captured by the build: \(safeLines("\(error)"))"
            )
            return []
        }
    }

    /// A file's path below a directory, whatever links lead there; nil where it is elsewhere.
    private func path(of file: FilePath, in root: FilePath) async throws -> FilePath? {
        try await onBlockingPool {
            guard let name = file.lastComponent else { return nil }
            var path = try HostFiles.resolved(file.removingLastComponent()).appending(name)
            return path.removePrefix(try HostFiles.resolved(root)) ? path : nil
        }
    }
}
