import BuildKitProto
import FoundationEssentials
import OCI
import SwiftProtobuf
import Text

/// The bytes of the `pb.Op` for an operation.
///
/// Deterministic: fields in the order of their numbers, maps sorted by key. A result that is kept or a tree that is empty is a number
/// on the wire, -1 for none; a file action's inputs count the node's inputs first and then the earlier actions.
func encode(_ operation: Operation, inputs: [Output], platform: Platform?) throws(LLBError) -> [UInt8] {
    var message = Pb_Op()
    message.inputs = inputs.map { output in
        var input = Pb_Input()
        input.digest = output.node.digest.description
        input.index = Int64(output.index)
        return input
    }
    if let platform { message.platform = encode(platform) }
    let encoder = OperationEncoder(inputs: inputs)
    switch operation {
    case .source(let source): message.source = encoder.encode(source)
    case .exec(let exec): message.exec = encoder.encode(exec)
    case .file(let actions): message.file = try encoder.encode(actions)
    case .merge(let outputs):
        message.merge.inputs = outputs.map { output in
            var input = Pb_MergeInput()
            input.input = encoder.index(of: output)
            return input
        }
    case .passthrough(let id, let all, let outputs):
        message.passthrough.id = Data(id)
        message.passthrough.outputs = outputs.map { encoder.index(of: all[$0]) }
    case .build(let definition, let file):
        message.build.builder = NestedBuild.builder
        message.build.inputs[NestedBuild.definition] = .with { $0.input = encoder.index(of: definition) }
        if file != Array(NestedBuild.definition.utf8) {
            message.build.attrs[NestedBuild.fileKey] = Data(file)
        }
    case .diff(let lower, let upper):
        message.diff.lower.input = encoder.index(of: lower)
        message.diff.upper.input = encoder.index(of: upper)
    }
    return try serialize(message, what: "an operation")
}

/// The bytes of a message with its maps sorted.
func serialize(_ message: some SwiftProtobuf.Message, what: String) throws(LLBError) -> [UInt8] {
    var options = BinaryEncodingOptions()
    options.useDeterministicOrdering = true
    do { return try message.serializedBytes(options: options) } catch { throw .malformed(what: what) }
}

private func encode(_ platform: Platform) -> Pb_Platform {
    var message = Pb_Platform()
    message.architecture = platform.architecture
    message.os = platform.os
    message.variant = platform.variant ?? ""
    message.osversion = platform.osVersion ?? ""
    message.osfeatures = platform.osFeatures ?? []
    return message
}

private struct OperationEncoder {
    let indices: [Output: Int64]
    let inputCount: Int

    init(inputs: [Output]) {
        inputCount = inputs.count
        indices = Dictionary(zip(inputs, 0..<Int64(inputs.count)), uniquingKeysWith: { first, _ in first })
    }

    func index(of output: Output?) -> Int64 { output.flatMap { indices[$0] } ?? -1 }

    func encode(_ source: Source) -> Pb_SourceOp {
        var message = Pb_SourceOp()
        message.identifier = Data(source.identifier)
        message.attrs = source.attributes.mapValues { Data($0) }
        return message
    }

    func encode(_ exec: Exec) -> Pb_ExecOp {
        var message = Pb_ExecOp()
        message.meta = encode(exec.process)
        message.mounts = exec.mounts.map(encode)
        message.network =
            switch exec.network {
            case .sandbox: .unset
            case .host: .host
            case .none: .none
            }
        message.security =
            switch exec.security {
            case .sandbox: .sandbox
            case .insecure: .insecure
            }
        message.secretenv = exec.secretEnvironment.map { secret in
            var item = Pb_SecretEnv()
            item.id = Data(secret.id)
            item.name = Data(secret.name)
            item.optional = secret.isOptional
            return item
        }
        message.cdiDevices = exec.devices.map { device in
            var item = Pb_CDIDevice()
            item.name = Data(device.name)
            item.optional = device.isOptional
            return item
        }
        return message
    }

    private func encode(_ process: Process) -> Pb_Meta {
        var message = Pb_Meta()
        message.args = process.arguments.map { Data($0) }
        message.env = process.environment.map { Data($0) }
        message.cwd = Data(process.directory.isEmpty ? "/" : process.directory)
        message.user = Data(process.user)
        message.hostname = Data(process.hostname)
        message.extraHosts = process.extraHosts.map { host in
            var item = Pb_HostIP()
            item.host = Data(host.host)
            item.ip = Data(host.address)
            return item
        }
        message.ulimit = process.limits.map { limit in
            var item = Pb_Ulimit()
            item.name = Data(limit.name)
            item.soft = limit.soft
            item.hard = limit.hard
            return item
        }
        message.cgroupParent = Data(process.cgroupParent)
        message.removeMountStubsRecursive = process.removesMountStubsRecursively
        message.validExitCodes = process.validExitCodes
        if let proxy = process.proxy {
            message.proxyEnv.httpProxy = Data(proxy.http)
            message.proxyEnv.httpsProxy = Data(proxy.https)
            message.proxyEnv.ftpProxy = Data(proxy.ftp)
            message.proxyEnv.noProxy = Data(proxy.none)
            message.proxyEnv.allProxy = Data(proxy.all)
        }
        return message
    }

    private func encode(_ mount: Mount) -> Pb_Mount {
        var message = Pb_Mount()
        message.input = index(of: mount.input)
        message.selector = Data(mount.selector)
        message.dest = Data(mount.destination)
        message.output = mount.output.map(Int64.init) ?? -1
        message.readonly = mount.isReadOnly
        message.resultID = Data(mount.resultID)
        message.contentCache =
            switch mount.contentCache {
            case .byDefault: .default
            case .on: .on
            case .off: .off
            }
        switch mount.kind {
        case .bind: message.mountType = .bind
        case .temporary(let size):
            message.mountType = .tmpfs
            message.tmpfsOpt.size = size
        case .cache(let id, let sharing):
            message.mountType = .cache
            message.cacheOpt.id = Data(id)
            message.cacheOpt.sharing =
                switch sharing {
                case .shared: .shared
                case .private: .private
                case .locked: .locked
                }
        case .secret(let file):
            message.mountType = .secret
            message.secretOpt.id = Data(file.id)
            message.secretOpt.uid = file.userID
            message.secretOpt.gid = file.groupID
            message.secretOpt.mode = file.mode
            message.secretOpt.optional = file.isOptional
        case .ssh(let file):
            message.mountType = .ssh
            message.sshopt.id = Data(file.id)
            message.sshopt.uid = file.userID
            message.sshopt.gid = file.groupID
            message.sshopt.mode = file.mode
            message.sshopt.optional = file.isOptional
        }
        return message
    }

    func encode(_ actions: [FileAction]) throws(LLBError) -> Pb_FileOp {
        var message = Pb_FileOp()
        for (position, action) in actions.enumerated() {
            message.actions.append(try encode(action, at: position))
        }
        return message
    }

    private func encode(_ action: FileAction, at position: Int) throws(LLBError) -> Pb_FileAction {
        var message = Pb_FileAction()
        message.input = try index(of: action.base, at: position)
        message.secondaryInput = -1
        message.output = action.output.map(Int64.init) ?? -1
        switch action.change {
        case .copy(let copy, let source):
            message.secondaryInput = try index(of: source, at: position)
            message.copy = try encode(copy, at: position)
        case .makeFile(let creation):
            message.mkfile.path = Data(creation.path)
            message.mkfile.mode = Int32(bitPattern: creation.mode)
            message.mkfile.data = Data(creation.content)
            message.mkfile.timestamp = creation.timestamp ?? -1
            if let owner = creation.owner { message.mkfile.owner = try encode(owner, at: position) }
        case .makeDirectory(let creation):
            message.mkdir.path = Data(creation.path)
            message.mkdir.mode = Int32(bitPattern: creation.mode)
            message.mkdir.makeParents = creation.makesParents
            message.mkdir.timestamp = creation.timestamp ?? -1
            if let owner = creation.owner { message.mkdir.owner = try encode(owner, at: position) }
        case .symbolicLink(let creation):
            message.symlink.oldpath = Data(creation.target)
            message.symlink.newpath = Data(creation.path)
            message.symlink.timestamp = creation.timestamp ?? -1
            if let owner = creation.owner { message.symlink.owner = try encode(owner, at: position) }
        case .remove(let removal):
            message.rm.path = Data(removal.path)
            message.rm.allowNotFound = removal.allowsNotFound
            message.rm.allowWildcard = removal.allowsWildcards
        }
        return message
    }

    private func encode(_ copy: FileCopy, at position: Int) throws(LLBError) -> Pb_FileActionCopy {
        var message = Pb_FileActionCopy()
        message.src = Data(copy.source)
        message.dest = Data(copy.destination)
        if let owner = copy.owner { message.owner = try encode(owner, at: position) }
        message.mode = -1
        switch copy.mode {
        case .bits(let bits): message.mode = Int32(bitPattern: bits)
        case .symbolic(let text): message.modeStr = Data(text)
        case nil: break
        }
        message.followSymlink = copy.followsLinks
        message.dirCopyContents = copy.copiesDirectoryContents
        message.attemptUnpackDockerCompatibility = copy.unpacksArchives
        message.createDestPath = copy.createsDestination
        message.allowWildcard = copy.allowsWildcards
        message.allowEmptyWildcard = copy.allowsNoMatch
        message.timestamp = copy.timestamp ?? -1
        message.includePatterns = copy.includePatterns.map { Data($0) }
        message.excludePatterns = copy.excludePatterns.map { Data($0) }
        message.alwaysReplaceExistingDestPaths = copy.replacesDestination
        message.requiredPaths = copy.requiredPaths.map { Data($0) }
        return message
    }

    private func encode(_ owner: Owner, at position: Int) throws(LLBError) -> Pb_ChownOpt {
        var message = Pb_ChownOpt()
        if let user = owner.user { message.user = try encode(user, at: position) }
        if let group = owner.group { message.group = try encode(group, at: position) }
        return message
    }

    private func encode(_ account: Owner.Account, at position: Int) throws(LLBError) -> Pb_UserOpt {
        var message = Pb_UserOpt()
        switch account {
        case .id(let id): message.byID = id
        case .named(let name, let input):
            message.byName.name = Data(name)
            message.byName.input = try index(of: input, at: position)
        }
        return message
    }

    private func index(of input: FileInput, at position: Int) throws(LLBError) -> Int64 {
        switch input {
        case .scratch: return -1
        case .output(let output): return index(of: output)
        case .action(let action):
            guard (0..<position).contains(action) else {
                throw .invalidOperation(
                    digest: nil,
                    reason: "action \(position) refers to action \(action), not an earlier one"
                )
            }
            return Int64(inputCount + action)
        }
    }
}

/// What nested builds are called on the wire.
enum NestedBuild {
    /// The one that reads a graph of a file.
    static let builder: Int64 = -1
    /// The input with the file, and the file's usual name.
    static let definition = "buildkit.llb.definition"
    static let fileKey = "llbbuild.filename"
}
