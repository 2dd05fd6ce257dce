import BuildKitProto
import FoundationEssentials
import OCI
import Text

/// Reads the operation of one `pb.Op`, its inputs being known already.
///
/// Refuses what has no meaning here: indices out of range, unknown kinds, missing parts. Fields that are not known are ignored, as BuildKit does.
struct OperationDecoder {
    let digest: Digest
    let inputs: [Output]

    func decode(_ message: Pb_Op) throws(LLBError) -> Operation {
        switch message.op {
        case .source(let source):
            guard !source.identifier.isEmpty else { throw invalid("the source has no identifier") }
            return .source(
                Source(identifier: [UInt8](source.identifier), attributes: source.attrs.mapValues { [UInt8]($0) })
            )
        case .exec(let exec): return .exec(try decode(exec))
        case .file(let file):
            guard !file.actions.isEmpty else { throw invalid("a file operation has no actions") }
            var actions: [FileAction] = []
            for action in file.actions { actions.append(try decode(action, at: actions.count)) }
            return .file(actions)
        case .merge(let merge):
            guard merge.inputs.count >= 2 else { throw invalid("a merge has fewer than two inputs") }
            var outputs: [Output] = []
            for item in merge.inputs {
                guard let output = try output(item.input) else { continue }
                outputs.append(output)
            }
            return .merge(outputs)
        case .diff(let diff):
            return .diff(lower: try output(diff.lower.input), upper: try output(diff.upper.input))
        case .build(let build): return try decode(build)
        case .passthrough(let passthrough):
            guard passthrough.outputs.allSatisfy({ $0 >= 0 && $0 < inputs.count }) else {
                throw invalid("a passthrough operation gives on an input that it does not have")
            }
            return .passthrough(
                id: [UInt8](passthrough.id),
                inputs: inputs,
                outputs: passthrough.outputs.map { Int($0) }
            )
        case nil: throw invalid("it has no action")
        }
    }

    private func invalid(_ reason: String) -> LLBError { .invalidOperation(digest: digest, reason: reason) }

    private func output(_ index: Int64) throws(LLBError) -> Output? {
        if index == -1 { return nil }
        guard index >= 0, index < inputs.count else { throw invalid("it has no input \(index)") }
        return inputs[Int(index)]
    }

    private func result(_ index: Int64) throws(LLBError) -> Int? {
        if index == -1 { return nil }
        guard (0..<1024).contains(index) else { throw invalid("a result has the number \(index)") }
        return Int(index)
    }

    private func decode(_ message: Pb_BuildOp) throws(LLBError) -> Operation {
        guard message.builder == NestedBuild.builder else { throw invalid("only LLB builder is currently allowed") }
        guard let input = message.inputs[NestedBuild.definition], let output = try output(input.input) else {
            throw invalid("no llb definition input \(NestedBuild.definition) found")
        }
        let file = message.attrs[NestedBuild.fileKey].map { [UInt8]($0) }
        return .build(definition: output, file: file ?? Array(NestedBuild.definition.utf8))
    }

    private func decode(_ message: Pb_ExecOp) throws(LLBError) -> Exec {
        guard message.hasMeta, !message.meta.args.isEmpty else { throw invalid("the process has no arguments") }
        var mounts: [Mount] = []
        for mount in message.mounts { mounts.append(try decode(mount)) }
        guard mounts.contains(where: { $0.destination == "/" }) else {
            throw invalid("nothing is mounted at /")
        }
        var exec = Exec(process: decode(message.meta), mounts: mounts)
        exec.network = try decode(message.network)
        exec.security = try decode(message.security)
        exec.secretEnvironment = message.secretenv.map {
            SecretVariable(id: [UInt8]($0.id), name: [UInt8]($0.name), isOptional: $0.optional)
        }
        exec.devices = message.cdiDevices.map { Device(name: [UInt8]($0.name), isOptional: $0.optional) }
        return exec
    }

    func decode(_ mode: Pb_NetMode) throws(LLBError) -> NetworkMode {
        switch mode {
        case .unset: return .sandbox
        case .host: return .host
        case .none: return .none
        case .UNRECOGNIZED(let value): throw invalid("invalid network mode \(value)")
        }
    }

    func decode(_ mode: Pb_SecurityMode) throws(LLBError) -> SecurityMode {
        switch mode {
        case .sandbox: return .sandbox
        case .insecure: return .insecure
        case .UNRECOGNIZED(let value): throw invalid("invalid security mode \(value)")
        }
    }

    func decode(_ message: Pb_Meta) -> Process {
        var process = Process(
            arguments: message.args.map { [UInt8]($0) },
            environment: message.env.map { [UInt8]($0) },
            directory: [UInt8](message.cwd),
            user: [UInt8](message.user)
        )
        process.hostname = [UInt8](message.hostname)
        process.extraHosts = message.extraHosts.map { HostAddress(host: [UInt8]($0.host), address: [UInt8]($0.ip)) }
        process.limits = message.ulimit.map { ResourceLimit(name: [UInt8]($0.name), soft: $0.soft, hard: $0.hard) }
        process.cgroupParent = [UInt8](message.cgroupParent)
        process.removesMountStubsRecursively = message.removeMountStubsRecursive
        process.validExitCodes = message.validExitCodes
        if message.hasProxyEnv {
            var proxy = ProxyEnvironment()
            proxy.http = [UInt8](message.proxyEnv.httpProxy)
            proxy.https = [UInt8](message.proxyEnv.httpsProxy)
            proxy.ftp = [UInt8](message.proxyEnv.ftpProxy)
            proxy.none = [UInt8](message.proxyEnv.noProxy)
            proxy.all = [UInt8](message.proxyEnv.allProxy)
            process.proxy = proxy
        }
        return process
    }

    func decode(_ message: Pb_Mount) throws(LLBError) -> Mount {
        var mount = Mount(
            try kind(of: message),
            of: try output(message.input),
            selector: [UInt8](message.selector),
            at: [UInt8](message.dest),
            output: try result(message.output),
            isReadOnly: message.readonly
        )
        guard !mount.destination.isEmpty else { throw invalid("a mount has no destination") }
        mount.resultID = [UInt8](message.resultID)
        switch message.contentCache {
        case .default: mount.contentCache = .byDefault
        case .on: mount.contentCache = .on
        case .off: mount.contentCache = .off
        case .UNRECOGNIZED(let value): throw invalid("unknown content cache mode \(value)")
        }
        return mount
    }

    private func kind(of message: Pb_Mount) throws(LLBError) -> Mount.Kind {
        switch message.mountType {
        case .bind: return .bind
        case .tmpfs: return .temporary(size: message.tmpfsOpt.size)
        case .cache:
            let id = [UInt8](message.cacheOpt.id)
            switch message.cacheOpt.sharing {
            case .shared: return .cache(id: id, sharing: .shared)
            case .private: return .cache(id: id, sharing: .private)
            case .locked: return .cache(id: id, sharing: .locked)
            case .UNRECOGNIZED(let value): throw invalid("unknown cache sharing mode \(value)")
            }
        case .secret:
            let options = message.secretOpt
            return .secret(
                ClientFile(
                    id: [UInt8](options.id),
                    userID: options.uid,
                    groupID: options.gid,
                    mode: options.mode,
                    isOptional: options.optional
                )
            )
        case .ssh:
            let options = message.sshopt
            return .ssh(
                ClientFile(
                    id: [UInt8](options.id),
                    userID: options.uid,
                    groupID: options.gid,
                    mode: options.mode,
                    isOptional: options.optional
                )
            )
        case .UNRECOGNIZED(let value): throw invalid("unknown mount type \(value)")
        }
    }
}

extension OperationDecoder {
    private func decode(_ message: Pb_FileAction, at position: Int) throws(LLBError) -> FileAction {
        let base = try input(message.input, at: position)
        let change: FileChange
        switch message.action {
        case .copy(let copy):
            change = .copy(try decode(copy, at: position), from: try input(message.secondaryInput, at: position))
        case .mkfile(let creation):
            change = .makeFile(
                FileCreation(
                    path: [UInt8](creation.path),
                    mode: UInt32(bitPattern: creation.mode),
                    content: [UInt8](creation.data),
                    owner: creation.hasOwner ? try decode(creation.owner, at: position) : nil,
                    timestamp: timestamp(creation.timestamp)
                )
            )
        case .mkdir(let creation):
            change = .makeDirectory(
                DirectoryCreation(
                    path: [UInt8](creation.path),
                    mode: UInt32(bitPattern: creation.mode),
                    makesParents: creation.makeParents,
                    owner: creation.hasOwner ? try decode(creation.owner, at: position) : nil,
                    timestamp: timestamp(creation.timestamp)
                )
            )
        case .symlink(let creation):
            change = .symbolicLink(
                SymbolicLinkCreation(
                    path: [UInt8](creation.newpath),
                    target: [UInt8](creation.oldpath),
                    owner: creation.hasOwner ? try decode(creation.owner, at: position) : nil,
                    timestamp: timestamp(creation.timestamp)
                )
            )
        case .rm(let removal):
            change = .remove(
                FileRemoval(
                    path: [UInt8](removal.path),
                    allowsNotFound: removal.allowNotFound,
                    allowsWildcards: removal.allowWildcard
                )
            )
        case nil: throw invalid("action \(position) has no action")
        }
        return FileAction(on: base, change, output: try result(message.output))
    }

    private func timestamp(_ value: Int64) -> Int64? { value == -1 ? nil : value }

    private func decode(_ message: Pb_FileActionCopy, at position: Int) throws(LLBError) -> FileCopy {
        var copy = FileCopy(source: [UInt8](message.src), destination: [UInt8](message.dest))
        copy.owner = message.hasOwner ? try decode(message.owner, at: position) : nil
        if !message.modeStr.isEmpty {
            copy.mode = .symbolic([UInt8](message.modeStr))
        } else if message.mode != -1 {
            copy.mode = .bits(UInt32(bitPattern: message.mode))
        }
        copy.followsLinks = message.followSymlink
        copy.copiesDirectoryContents = message.dirCopyContents
        copy.unpacksArchives = message.attemptUnpackDockerCompatibility
        copy.createsDestination = message.createDestPath
        copy.allowsWildcards = message.allowWildcard
        copy.allowsNoMatch = message.allowEmptyWildcard
        copy.timestamp = timestamp(message.timestamp)
        copy.includePatterns = message.includePatterns.map { [UInt8]($0) }
        copy.excludePatterns = message.excludePatterns.map { [UInt8]($0) }
        copy.replacesDestination = message.alwaysReplaceExistingDestPaths
        copy.requiredPaths = message.requiredPaths.map { [UInt8]($0) }
        return copy
    }

    private func decode(_ message: Pb_ChownOpt, at position: Int) throws(LLBError) -> Owner {
        Owner(
            user: message.hasUser ? try account(message.user, at: position) : nil,
            group: message.hasGroup ? try account(message.group, at: position) : nil
        )
    }

    private func account(_ message: Pb_UserOpt, at position: Int) throws(LLBError) -> Owner.Account? {
        switch message.user {
        case .byID(let id): .id(id)
        case .byName(let name): .named([UInt8](name.name), in: try input(name.input, at: position))
        case nil: nil
        }
    }

    private func input(_ index: Int64, at position: Int) throws(LLBError) -> FileInput {
        if index == -1 { return .scratch }
        guard index >= 0 else { throw invalid("action \(position) refers to input \(index)") }
        if index < inputs.count { return .output(inputs[Int(index)]) }
        let action = index - Int64(inputs.count)
        guard action < position else {
            throw invalid("action \(position) refers to action \(action), not an earlier one")
        }
        return .action(Int(action))
    }
}
