import DockerfileSyntax
import LLB
internal import Text

/// The mounts that the `--mount` flags of one RUN describe.
struct RunMounts {
    /// Trees and directories.
    var trees: [Mount] = []
    /// Secrets as files.
    var secrets: [Mount] = []
    var secretVariables: [SecretVariable] = []
    /// The sockets of agents.
    var agents: [Mount] = []

    /// In BuildKit's order, so that the same file gives the same digests: by destination, then what the client provides.
    func ordered(with others: [Mount]) -> [Mount] {
        (trees + others).sorted { $0.destination.lexicographicallyPrecedes($1.destination) } + secrets + agents
    }
}

/// The mounts of RUN.
extension StageBuilder {
    mutating func mounts(of run: Run, _ command: StageNode.Command) throws -> RunMounts {
        var mounts = RunMounts()
        for (flag, source) in zip(run.mounts, command.mountSources) {
            let mount: ExpandedMount
            do {
                mount = try flag.mount { try expand($0) }
            } catch let error as MountError {
                throw translator.failure(.mount(error), at: flag.range)
            }
            switch mount.kind {
            case .secret, .ssh:
                noteClientMount(mount)
                if mount.kind == .secret {
                    addSecret(mount, to: &mounts)
                } else {
                    if mount.source != nil { throw translator.failure(.sourceOfAgent, at: flag.range) }
                    addAgent(mount, to: &mounts)
                }
            case .bind, .cache, .tmpfs: mounts.trees.append(try self.mount(mount, source: source))
            }
        }
        return mounts
    }

    /// Notes in the outline what the client is asked for; the first RUN that asks for it decides.
    private mutating func noteClientMount(_ mount: ExpandedMount) {
        func need(_ name: [UInt8]) -> Outline.Need {
            Outline.Need(
                name: name,
                isRequired: mount.isRequired,
                range: command?.instruction.range ?? node.place
            )
        }
        if mount.kind == .ssh {
            let name = mount.id ?? "default"
            if outline.agents[name] == nil { outline.agents[name] = need(name) }
        } else {
            let target = (mount.target ?? []).split(separator: "/").last.map { Array($0) } ?? []
            let name = mount.source ?? mount.id ?? target
            if outline.secrets[name] == nil { outline.secrets[name] = need(name) }
        }
    }

    /// A secret becomes a file unless a variable is named, and both where a target is named too.
    private func addSecret(_ mount: ExpandedMount, to mounts: inout RunMounts) {
        let id = mount.source ?? mount.id ?? lastPathComponent(of: mount.target ?? [])
        if let name = mount.environmentName {
            mounts.secretVariables.append(SecretVariable(id: id, name: name, isOptional: !mount.isRequired))
            if mount.target == nil { return }
        }
        let target = mount.target ?? "/run/secrets/" + lastPathComponent(of: id)
        let file = clientFile(id, mount, mode: 0o400)
        mounts.secrets.append(Mount(.secret(file), at: target))
    }

    private func addAgent(_ mount: ExpandedMount, to mounts: inout RunMounts) {
        let target = mount.target ?? "/run/buildkit/ssh_agent.\(mounts.agents.count)"
        let file = clientFile(mount.id ?? "default", mount, mode: 0o600)
        mounts.agents.append(Mount(.ssh(file), at: target))
    }

    private func clientFile(_ id: [UInt8], _ mount: ExpandedMount, mode: UInt32) -> ClientFile {
        ClientFile(
            id: id,
            userID: mount.uid ?? 0,
            groupID: mount.gid ?? 0,
            mode: mount.mode ?? mode,
            isOptional: !mount.isRequired
        )
    }

    private func lastPathComponent(of path: [UInt8]) -> [UInt8] {
        path.split(separator: "/").last.map { Array($0) } ?? "/"
    }

    /// The variables with those that secrets would fill masked, for titles.
    func masked(_ run: Run) -> Variables {
        var variables = state.variables
        for flag in run.mounts {
            guard let mount = try? flag.mount(expanding: { $0 }), mount.kind == .secret,
                let name = mount.environmentName
            else { continue }
            variables.set(name, to: "****")
        }
        return variables
    }

    private mutating func mount(_ mount: ExpandedMount, source: Int?) throws -> Mount {
        let target = try target(of: mount)
        if mount.kind == .tmpfs { return Mount(.temporary(size: mount.size ?? 0), at: target) }
        var tree = try tree(of: mount, source: source, target: target)
        let path = cleanedPath("/" + (mount.source ?? []))
        var selector: [UInt8] = path == "/" ? [] : path
        if selector.isEmpty, mount.kind == .cache, mount.uid != nil || mount.gid != nil || mount.mode != nil {
            tree = try cacheRoot(mount, on: tree)
            selector = "/cache"
        }
        if let source { use(path, of: source) } else if mount.kind == .bind { run.contextPaths.insert(path) }
        guard mount.kind == .cache else {
            // Writes to a bind mount are seen by the command and then dropped.
            return Mount(of: tree, selector: selector, at: target, isReadOnly: mount.isReadOnly)
        }
        let sharing: CacheSharing =
            switch mount.sharing {
            case .private: .private
            case .locked: .locked
            case .shared, nil: .shared
            }
        let namespace = options.buildArguments["BUILDKIT_CACHE_MOUNT_NS"] ?? []
        let id = namespace + "/" + (mount.id ?? cleanedPath(mount.target ?? []))
        return Mount(
            .cache(id: id, sharing: sharing),
            of: tree,
            selector: selector,
            at: target,
            isReadOnly: mount.isReadOnly
        )
    }

    private func target(of mount: ExpandedMount) throws(FrontendError) -> [UInt8] {
        let path = mount.target ?? []
        let target = path.first == "/" ? path : joinedPath(state.directory, path)
        guard cleanedPath(target) != "/" else {
            throw failure(.invalidMountTarget(target.displayText))
        }
        return target
    }

    /// The tree that a mount shows; nil for an empty tree.
    private func tree(
        of mount: ExpandedMount,
        source: Int?,
        target: [UInt8]
    ) throws(FrontendError) -> Output? {
        guard let source else { return mount.kind == .cache ? nil : context }
        guard let state = run.states[source] else {
            let from = mount.from?.displayText ?? ""
            throw failure(.mountFromLaterStage(from, target: target.displayText))
        }
        return state.output
    }

    /// The first content of a cache whose directory has an owner or permissions of its own.
    private func cacheRoot(_ mount: ExpandedMount, on tree: Output?) throws(FrontendError) -> Output {
        let creation = DirectoryCreation(
            path: "/cache",
            mode: mount.mode ?? 0o755,
            makesParents: false,
            owner: Owner(user: .id(mount.uid ?? 0), group: .id(mount.gid ?? 0))
        )
        do throws(LLBError) {
            return try Output.file(
                on: tree,
                [.makeDirectory(creation)],
                platform: state.platform,
                metadata: Metadata(name: "[internal] setting cache mount permissions")
            )
        } catch {
            throw failure(.definition(error))
        }
    }
}
