import DockerfileSyntax
import LLB

/// The mounts of RUN.
extension StageBuilder {
    mutating func mounts(of run: Run, _ command: StageNode.Command) throws -> [LLB.Mount] {
        var mounts: [LLB.Mount] = []
        for (flag, source) in zip(run.mounts, command.mountSources) {
            let mount: DockerfileSyntax.Mount
            do {
                mount = try flag.mount { try expand($0) }
            } catch let error as MountError {
                throw translator.failure(.mount(error), at: flag.range)
            }
            switch mount.kind {
            case .secret, .ssh:
                noteClientMount(mount)
                try checkClientMount(mount, at: flag.range)
            case .bind, .cache, .tmpfs: mounts.append(try self.mount(mount, source: source))
            }
        }
        return mounts
    }

    /// Notes in the outline what the client is asked for; the first RUN that asks for it decides.
    private mutating func noteClientMount(_ mount: DockerfileSyntax.Mount) {
        func need(_ name: [UInt8]) -> Outline.Need {
            Outline.Need(
                name: name,
                isRequired: mount.isRequired,
                range: command?.instruction.range ?? node.place
            )
        }
        if mount.kind == .ssh {
            let name = mount.id ?? Array("default".utf8)
            if outline.agents[name] == nil { outline.agents[name] = need(name) }
        } else {
            let target = (mount.target ?? []).split(separator: UInt8(ascii: "/")).last.map { Array($0) } ?? []
            let name = mount.source ?? mount.id ?? target
            if outline.secrets[name] == nil { outline.secrets[name] = need(name) }
        }
    }

    /// Secrets and agents come from the client, and no client offers any yet: as in BuildKit the command then does without
    /// those that are not required.
    private func checkClientMount(_ mount: DockerfileSyntax.Mount, at range: SourceRange) throws(FrontendError) {
        if mount.kind == .ssh, mount.source != nil { throw translator.failure(.sourceOfAgent, at: range) }
        guard mount.isRequired else { return }
        throw translator.failure(.unsupported("RUN --mount=type=\(mount.kind.rawValue),required"), at: range)
    }

    /// The variables with those that secrets would fill masked, for titles.
    func masked(_ run: Run) -> Variables {
        var variables = state.variables
        for flag in run.mounts {
            guard let mount = try? flag.mount(expanding: { $0 }), mount.kind == .secret,
                let name = mount.environmentName
            else { continue }
            variables.set(name, to: Array("****".utf8))
        }
        return variables
    }

    private mutating func mount(_ mount: DockerfileSyntax.Mount, source: Int?) throws -> LLB.Mount {
        let target = try target(of: mount)
        if mount.kind == .tmpfs { return LLB.Mount(.temporary(size: mount.size ?? 0), at: target) }
        var tree = try tree(of: mount, source: source, target: target)
        let path = cleanedPath([UInt8(ascii: "/")] + (mount.source ?? []))
        var selector: [UInt8] = path.equals("/") ? [] : path
        if selector.isEmpty, mount.kind == .cache, mount.uid != nil || mount.gid != nil || mount.mode != nil {
            tree = try cacheRoot(mount, on: tree)
            selector = Array("/cache".utf8)
        }
        if mount.kind == .bind, mount.from == nil { run.contextPaths.insert(path) }
        guard mount.kind == .cache else {
            // Writes to a bind mount are seen by the command and then dropped.
            return LLB.Mount(of: tree, selector: selector, at: target, isReadOnly: mount.isReadOnly)
        }
        let sharing: CacheSharing =
            switch mount.sharing {
            case .private: .private
            case .locked: .locked
            case .shared, nil: .shared
            }
        let namespace = options.buildArguments[[UInt8]("BUILDKIT_CACHE_MOUNT_NS")] ?? []
        let id = namespace + [UInt8(ascii: "/")] + (mount.id ?? cleanedPath(mount.target ?? []))
        return LLB.Mount(
            .cache(id: id, sharing: sharing),
            of: tree,
            selector: selector,
            at: target,
            isReadOnly: mount.isReadOnly
        )
    }

    private func target(of mount: DockerfileSyntax.Mount) throws(FrontendError) -> [UInt8] {
        let path = mount.target ?? []
        let target = path.first == UInt8(ascii: "/") ? path : joinedPath(state.directory, path)
        guard !cleanedPath(target).equals("/") else {
            throw failure(.invalidMountTarget(target.displayText))
        }
        return target
    }

    /// The tree that a mount shows; nil for an empty one.
    private func tree(
        of mount: DockerfileSyntax.Mount,
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
    private func cacheRoot(_ mount: DockerfileSyntax.Mount, on tree: Output?) throws(FrontendError) -> Output {
        let creation = DirectoryCreation(
            path: Array("/cache".utf8),
            mode: mount.mode ?? 0o755,
            makesParents: false,
            owner: Owner(user: .id(mount.uid ?? 0), group: .id(mount.gid ?? 0))
        )
        do throws(LLBError) {
            return try Output.file(
                on: tree,
                [.makeDirectory(creation)],
                platform: state.platform,
                metadata: Metadata(name: Array("[internal] setting cache mount permissions".utf8))
            )
        } catch {
            throw failure(.definition(error))
        }
    }
}
