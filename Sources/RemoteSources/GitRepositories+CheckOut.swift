package import LLB
internal import LinuxSystem
internal import OCI
internal import Storage
package import SystemPackage
internal import Tasks
internal import Text

extension GitRepositories {
    /// Puts the files of a commit into an empty directory.
    ///
    /// Directories and programs have mode 755, other files 644; times are the commit's unless the source wants the check-out's.
    /// - Parameters:
    ///   - commit: as `resolve` found it.
    ///   - source: which part of it, and with what.
    ///   - directory: where the files go.
    /// - Throws: `GitError`, `StorageError`, `SystemCallError`.
    package func checkOut(
        _ commit: GitCommit,
        of source: GitSource,
        into directory: FilePath
    ) async throws {
        if source.makesBundle { return try await makeBundle(commit, of: source, in: directory) }
        let bare = try await fetch(commit, of: source)
        let scratch = try await onBlockingPool { [store] in try store.temporaryDirectory() }
        let work = scratch.appending("work")
        let path = try Self.components(of: source.subdirectory)
        try await onBlockingPool { _ = try HostFiles.createDirectory(work, mode: 0o755) }
        let keeps = source.keepsGitDirectory && path.isEmpty
        var hasModules = false
        if !source.skipsSubmodules { hasModules = try await has(".gitmodules", commit, in: bare) }
        if keeps || hasModules {
            try await clone(commit, of: source, from: bare, to: work, withModules: hasModules)
        } else {
            // Straight from the shared repository, with an index of our own.
            _ = try await git.run(
                "--git-dir=\(bare.string)",
                "--work-tree=\(work.string)",
                "read-tree",
                "--reset",
                "-u",
                commit.id,
                in: work,
                more: ["GIT_INDEX_FILE": scratch.appending("index").bytes]
            )
        }
        let time = source.hasCheckoutTimes ? nil : try await commitTime(commit, in: bare)
        try await onBlockingPool {
            let root = try Self.directory(path, in: RootedDirectory(work), named: source.subdirectory ?? [])
            // Every component is a directory, as `root` shows, and no other process knows the scratch directory.
            let from = path.reduce(work) { $0.appending(name: $1) }
            try Self.finish(root, at: from, removesGitDirectories: !keeps, time: time)
            for name in try root.entries() {
                try HostFiles.rename(from.appending(name: name), to: directory.appending(name: name))
            }
            if let time { try OpenFile.open(directory, [.readOnly, .directory]).setTimes(modified: time) }
            try removeTree(scratch)
        }
    }

    /// Puts a commit and all that led to it into one file, `bundle`.
    ///
    /// The file has the name that led to the commit as its one reference, so that a fetch of all references brings the commit.
    private func makeBundle(_ commit: GitCommit, of source: GitSource, in directory: FilePath) async throws {
        let scratch = try await onBlockingPool { [store] in try store.temporaryDirectory() }
        try await withCleanUp {
            let bare = scratch.appending("repository")
            try await create(bare, for: commit, ["--bare", "--initial-branch=unused"], in: scratch)
            try await bring(commit.id, of: commit, from: source, into: bare, withHistory: true)
            let name = Self.bundled(commit.reference)
            let file = scratch.appending("bundle")
            _ = try await git.run("--git-dir=\(bare.string)", "update-ref", "--", name, commit.id, in: scratch)
            _ = try await git.run(
                "--git-dir=\(bare.string)",
                "bundle",
                "create",
                "--quiet",
                file.string,
                name,
                in: scratch
            )
            let time = source.hasCheckoutTimes ? nil : try await commitTime(commit, in: bare)
            try await onBlockingPool {
                try HostFiles.rename(file, to: directory.appending("bundle"))
                guard let time else { return }
                try RootedDirectory(directory).setTimes("bundle", modified: time)
                try OpenFile.open(directory, [.readOnly, .directory]).setTimes(modified: time)
            }
        } finally: {
            try await onBlockingPool { try removeTree(scratch) }
        }
    }

    /// The one reference of a bundle.
    private static func bundled(_ reference: [UInt8]?) -> String {
        guard let reference, reference.starts(with: "refs/heads/".utf8) || reference.starts(with: "refs/tags/".utf8)
        else { return "refs/heads/main" }
        return String(decoding: reference, as: UTF8.self)
    }

    /// When a commit was made.
    ///
    /// - Returns: seconds since 1970.
    package func time(of commit: GitCommit, of source: GitSource) async throws -> Int64 {
        try await commitTime(commit, in: fetch(commit, of: source)).seconds
    }

    /// What git keeps of a commit, and of the annotated tag that leads to it.
    package struct Objects: Sendable {
        /// Of the commit.
        package let id: String
        package let commit: [UInt8]
        package let tag: [UInt8]?
    }

    /// Reads the objects of a commit.
    package func objects(of commit: GitCommit, of source: GitSource) async throws -> Objects {
        var source = source
        // A tag is fetched only where it is kept.
        source.keepsGitDirectory = true
        let bare = try await fetch(commit, of: source)
        func read(_ arguments: String...) async throws -> [UInt8] {
            try await git.run((["--git-dir=\(bare.string)"] + arguments).map { Array($0.utf8) }, in: bare)
        }
        // An id alone may be a tag's.
        let name = commit.tag ?? commit.id
        let isTag = try await read("cat-file", "-t", name).starts(with: "tag".utf8)
        let id = isTag ? try await read("rev-parse", name + "^{commit}").prefix { $0 != 0x0a } : Array(name.utf8)[...]
        let text = String(decoding: id, as: UTF8.self)
        return Objects(
            id: text,
            commit: try await read("cat-file", "commit", text),
            tag: isTag ? try await read("cat-file", "tag", name) : nil
        )
    }

    /// Checks that a commit, or the annotated tag that leads to it, is signed as its source wants it; that may be not
    /// at all.
    /// - Throws: `GitError.signature`, and what reading the objects throws.
    package func checkSignature(of commit: GitCommit, of source: GitSource) async throws {
        guard let signing = source.signing else { return }
        let objects = try await self.objects(of: commit, of: source)
        var check = SignatureCheck(publicKeys: signing.publicKeys)
        check.rejectsExpired = signing.rejectsExpired
        do {
            if !signing.ignoresSignedTag, let tag = objects.tag {
                do { return try await SignedObject(tag: tag).verify(check) } catch let failure as SignatureCheck.Failure
                {
                    if signing.requiresSignedTag { throw failure }
                }
            }
            if signing.requiresSignedTag {
                throw SignatureCheck.Failure("signed tag required but no signed tag found")
            }
            try await SignedObject(commit: objects.commit).verify(check)
        } catch let failure as SignatureCheck.Failure {
            throw GitError.signature(
                repository: escapedForDisplay(source.remote.publicAddress),
                reason: failure.description
            )
        }
    }

    // MARK: The shared repository

    /// Makes sure that a commit and its files are in the shared repository of its address.
    /// - Returns: that repository.
    private func fetch(_ commit: GitCommit, of source: GitSource) async throws -> FilePath {
        let key = Digest.sha256(of: source.remote.publicAddress).hex
        let base = store.root.appending("git").appending(key)
        let bare = base.appending(commit.isSHA256 ? "repository-sha256" : "repository")
        try await onBlockingPool { try HostFiles.createDirectories(base, mode: 0o700) }
        let lock = try await FileLock.obtain(base.appending("lock"), .exclusive)
        defer { withExtendedLifetime(lock) {} }
        try await onBlockingPool { try Self.removeLeftovers(in: bare) }
        if try await onBlockingPool({ try HostFiles.status(of: bare.appending("HEAD")) == nil }) {
            try await create(bare, for: commit, ["--bare", "--initial-branch=unused"], in: base)
        }
        let wanted = Self.wanted(commit, source)
        let kept = "refs/slipway/\(wanted)"
        if try await isPresent(kept, in: bare) { return bare }
        try await bring(wanted, of: commit, from: source, into: bare)
        _ = try await git.run("--git-dir=\(bare.string)", "update-ref", kept, wanted, in: base)
        return bare
    }

    /// Brings a commit into a repository.
    /// - Parameters:
    ///   - wanted: the commit, or the tag that leads to it.
    ///   - commit: the commit.
    ///   - source: where it is.
    ///   - bare: the repository.
    ///   - withHistory: whether the commits that led to it come too.
    /// - Throws: `GitError`.
    private func bring(
        _ wanted: String,
        of commit: GitCommit,
        from source: GitSource,
        into bare: FilePath,
        withHistory: Bool = false
    ) async throws {
        let named = commit.reference.map { String(decoding: $0, as: UTF8.self) } ?? ""
        let depth = withHistory ? [] : ["--depth=1"]
        // The commit alone; else, where a server gives only what its references name, those; else, of servers that know no
        // shallow histories, everything. Of a bundle, all that it names: it serves no other questions.
        let everything = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        let attempts =
            if let bundle = source.bundle {
                [["+refs/*:refs/bundles/\(bundle.digest.hex)/*"]]
            } else {
                [depth + [wanted], named.isEmpty ? [] : depth + [named], everything]
            }
        var failure: (any Error)?
        for attempt in attempts where !attempt.isEmpty {
            let options = attempt.filter { $0.hasPrefix("-") }
            let references = attempt.filter { !$0.hasPrefix("-") }.map { Array($0.utf8) }
            do {
                _ = try await reaching(source) { address, reach in
                    try await git.run(
                        (["--git-dir=\(bare.string)", "fetch", "--quiet", "--no-tags", "--force"] + options + ["--"])
                            .map { Array($0.utf8) } + [address] + references,
                        in: bare,
                        reach
                    )
                }
                guard try await has(nil, commit, in: bare),
                    try await succeeds("--git-dir=\(bare.string)", "cat-file", "-e", wanted, in: bare)
                else { continue }
                return
            } catch let error as GitError {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        let repository = source.bundle.map { "\($0.reference)" } ?? escapedForDisplay(source.remote.publicAddress)
        throw GitError.noSuchReference(commit.id, repository: repository)
    }

    /// The object to fetch: an annotated tag is kept beside its commit, for `git describe`, where `.git` is.
    private static func wanted(_ commit: GitCommit, _ source: GitSource) -> String {
        source.keepsGitDirectory ? commit.tag ?? commit.id : commit.id
    }

    /// Makes an empty repository that can hold a commit.
    private func create(
        _ repository: FilePath,
        for commit: GitCommit,
        _ options: [String],
        in directory: FilePath
    ) async throws {
        let format = commit.isSHA256 ? ["--object-format=sha256"] : []
        let arguments = ["init", "--quiet", "--template="] + options + format + [repository.string]
        _ = try await git.run(arguments.map { Array($0.utf8) }, in: directory)
    }

    /// Locks of a git that was killed; no other process works here while the repository's own lock is held.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func removeLeftovers(in bare: FilePath) throws {
        for name in ["shallow.lock", "packed-refs.lock", "HEAD.lock", "config.lock"] {
            _ = try HostFiles.remove(bare.appending(name))
        }
    }

    private func isPresent(_ reference: String, in bare: FilePath) async throws -> Bool {
        try await succeeds("--git-dir=\(bare.string)", "cat-file", "-e", reference + "^{tree}", in: bare)
    }

    /// Whether a commit is there and has a file.
    private func has(_ file: String?, _ commit: GitCommit, in bare: FilePath) async throws -> Bool {
        let object = commit.id + (file.map { ":\($0)" } ?? "^{tree}")
        return try await succeeds("--git-dir=\(bare.string)", "cat-file", "-e", object, in: bare)
    }

    private func succeeds(_ arguments: String..., in directory: FilePath) async throws -> Bool {
        do {
            _ = try await git.run(arguments.map { Array($0.utf8) }, in: directory)
            return true
        } catch is GitError {
            return false
        }
    }

    private func commitTime(_ commit: GitCommit, in bare: FilePath) async throws -> FileTime {
        let text = try await git.run(
            "--git-dir=\(bare.string)",
            "log",
            "-1",
            "--format=%ct",
            commit.id,
            in: bare
        )
        return FileTime(seconds: Int64(String(decoding: text.prefix { $0 != 0x0a }, as: UTF8.self)) ?? 0)
    }

    // MARK: Files

    /// A repository of its own, with `.git` and submodules.
    private func clone(
        _ commit: GitCommit,
        of source: GitSource,
        from bare: FilePath,
        to work: FilePath,
        withModules: Bool
    ) async throws {
        try await create(work, for: commit, ["--initial-branch=master"], in: work)
        _ = try await git.run(
            "fetch",
            "--quiet",
            "--no-tags",
            "--depth=1",
            "--",
            "file://\(bare.string)",
            "refs/slipway/\(Self.wanted(commit, source))",
            in: work,
            .ownRepositories
        )
        if let reference = commit.reference {
            let isTag = reference.starts(with: "refs/tags/".utf8)
            if isTag || reference.starts(with: "refs/heads/".utf8) {
                let name = String(decoding: reference, as: UTF8.self)
                let object = isTag ? Self.wanted(commit, source) : commit.id
                _ = try await git.run("update-ref", "--", name, object, in: work)
            }
        }
        _ = try await git.run(
            ["remote", "add", "--", "origin"].map { Array($0.utf8) } + [source.remote.publicAddress],
            in: work
        )
        _ = try await git.run("checkout", "--quiet", "--force", "--detach", commit.id, in: work)
        if withModules { try await updateModules(of: source, in: work) }
        for name in ["FETCH_HEAD", "ORIG_HEAD"] {
            try await onBlockingPool { _ = try HostFiles.remove(work.appending(".git").appending(name)) }
        }
    }

    /// Brings in submodules: without their history, and with it from servers that know no shallow ones.
    private func updateModules(of source: GitSource, in work: FilePath) async throws {
        func update(_ options: String...) async throws {
            let arguments = ["submodule", "--quiet", "update", "--init", "--recursive"] + options
            _ = try await reachingServer(of: source) { reach in
                try await git.run(arguments.map { Array($0.utf8) }, in: work, reach)
            }
        }
        do {
            try await update("--depth=1")
        } catch GitError.unreachable(_, let reason) where reason.contains("shallow") {
            try await update()
        }
    }

    private static func components(of path: [UInt8]?) throws(GitError) -> [[UInt8]] {
        let parts = (path ?? []).split(separator: "/").map(Array.init).filter {
            $0 != "."
        }
        let isSafe = parts.allSatisfy { part in
            part != ".." && !part.contains(0)
                && String(decoding: part, as: UTF8.self).lowercased() != ".git"
        }
        guard isSafe else {
            throw .subdirectory(escapedForDisplay(path ?? []), reason: "it leads outside of the repository")
        }
        return parts
    }

    /// A directory below another, reached without following any link.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func directory(
        _ path: [[UInt8]],
        in root: RootedDirectory,
        named name: [UInt8]
    ) throws -> RootedDirectory {
        var current = root
        for component in path {
            do throws(SystemCallError) {
                let entry = FilePath(bytes: component)
                current = RootedDirectory(directory: try current.open(entry, [.readOnly, .directory, .noFollow]))
            } catch {
                let shown = escapedForDisplay(name)
                switch error.errno {
                case .noSuchFileOrDirectory: throw GitError.subdirectory(shown, reason: "there is no such directory")
                case .notDirectory, .tooManySymbolicLinkLevels:
                    throw GitError.subdirectory(shown, reason: "it is not a directory")
                default: throw error
                }
            }
        }
        return current
    }

    /// Goes through all files to give them their time and to remove what git needs for itself.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func finish(
        _ root: RootedDirectory,
        at place: FilePath,
        removesGitDirectories: Bool,
        time: FileTime?
    ) throws {
        var pending: [(path: FilePath, isDone: Bool)] = [(".", false)]
        while let (path, isDone) = pending.popLast() {
            if isDone {
                if let time { try root.setTimes(path, modified: time) }
                continue
            }
            pending.append((path, true))
            for name in try root.entries(of: path) {
                let entry = path.appending(name: name)
                if removesGitDirectories, name == ".git" {
                    // No commit can hold an entry of this name.
                    try removeTree(place.appending(entry.components))
                } else if try root.status(entry).type == .directory {
                    pending.append((entry, false))
                } else if let time {
                    try root.setTimes(entry, modified: time)
                }
            }
        }
    }
}
