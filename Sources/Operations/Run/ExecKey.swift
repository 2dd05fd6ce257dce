import BuildGraph
import LLB
import OCI
import Text

/// What of a process's definition decides its result, field by field.
///
/// Left out, as BuildKit leaves it out:
/// - proxy variables, so that a build behind a proxy shares the cache of one that is not;
/// - ids, sharing and content of cache mounts, which are there to be different from run to run;
/// - addresses of extra hosts, of which only the names are known to a step that does not ask;
/// - the size of `/dev/shm`, cgroup parents, and limits on memory and processors, which change how fast a step runs or
///   whether it can, not what it makes;
/// - whether mount stubs are removed recursively, which is about the engine's traces;
/// - the names of results and whether content is looked at for a mount, which decide how a result is found, not what it is;
/// What the inputs are is not here either, only which mount has which: the solver keys them.
struct ExecKey {
    let components: [KeyComponent]

    /// - Parameters:
    ///   - exec: The operation.
    ///   - inputs: The node's inputs, in the order in which the solver keys them.
    ///   - platform: Of the node; nil is this machine's.
    init(_ exec: Exec, inputs: [LLB.Output], platform: Platform?) {
        let process = exec.process
        var components = [KeyComponent("kind", "exec")]
        for argument in process.arguments { components.append(KeyComponent("command", argument)) }
        for variable in process.environment {
            let name = variable.prefix { $0 != "=" }
            components.append(
                KeyComponent(
                    "environment \(String(decoding: name, as: UTF8.self))",
                    Array(variable.dropFirst(name.count + 1))
                )
            )
        }
        components.append(KeyComponent("directory", process.directory))
        components.append(KeyComponent("user", process.user))
        components.append(KeyComponent("hostname", process.hostname))
        for host in process.extraHosts { components.append(KeyComponent("extra host", host.host)) }
        for limit in process.limits {
            components.append(
                KeyComponent("limit \(String(decoding: limit.name, as: UTF8.self))", "\(limit.soft):\(limit.hard)")
            )
        }
        for code in process.validExitCodes { components.append(KeyComponent("valid exit code", "\(code)")) }
        components.append(KeyComponent("network", "\(exec.network.rawValue)"))
        components.append(KeyComponent("security", "\(exec.security.rawValue)"))
        components.append(KeyComponent("platform", "\(platform ?? .current)"))
        for mount in exec.mounts where !Self.isSharedMemory(mount) {
            components += Self.components(of: mount, input: mount.input.flatMap { inputs.firstIndex(of: $0) })
        }
        for secret in exec.secretEnvironment {
            components.append(
                KeyComponent("secret variable", secret.name + [0] + secret.id + [secret.isOptional ? 1 : 0])
            )
        }
        for device in exec.devices {
            components.append(KeyComponent("device", device.name + [device.isOptional ? 1 : 0]))
        }
        self.components = components
    }

    private static func components(of mount: Mount, input: Int?) -> [KeyComponent] {
        let name = "mount \(String(decoding: mount.destination, as: UTF8.self))"
        let kind: String
        switch mount.kind {
        case .bind: kind = "bind"
        case .temporary(let size): kind = size > 0 ? "tmpfs of \(size) bytes" : "tmpfs"
        case .cache: kind = "cache"
        case .secret(let file): kind = "secret \(describe(file))"
        case .ssh(let file): kind = "ssh \(describe(file))"
        }
        var components = [KeyComponent(name, "\(kind)\(mount.isReadOnly ? " read-only" : "")")]
        if let input { components.append(KeyComponent("\(name) input", "\(input)")) }
        if !mount.selector.isEmpty { components.append(KeyComponent("\(name) source", mount.selector)) }
        if let output = mount.output { components.append(KeyComponent("\(name) result", "\(output)")) }
        return components
    }

    /// Every step has a `/dev/shm`; the mount only says how large it is.
    private static func isSharedMemory(_ mount: Mount) -> Bool {
        if case .temporary = mount.kind { return mount.destination == "/dev/shm" }
        return false
    }

    private static func describe(_ file: ClientFile) -> String {
        "\(Digest.sha256(of: file.id)) \(file.userID):\(file.groupID) \(file.mode) \(file.isOptional)"
    }
}
