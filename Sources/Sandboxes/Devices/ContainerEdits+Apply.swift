internal import LinuxSystem
internal import SystemPackage
internal import Text

extension ContainerEdits {
    /// Makes the changes.
    /// - Parameters:
    ///   - configuration: of the container.
    ///   - file: which says so.
    /// - Throws: `DeviceError.unusable` for what is not on this machine.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func apply(to configuration: inout SandboxConfiguration, from file: FilePath) throws(DeviceError) {
        for variable in environment {
            let bytes = Array(variable.utf8)
            let prefix = Array(bytes.prefix { $0 != "=" }) + "="
            configuration.environment.removeAll { $0.starts(with: prefix) }
            configuration.environment.append(bytes)
        }
        for node in nodes { try give(node, to: &configuration, from: file) }
        for mount in mounts {
            let made = try self.mount(mount, from: file)
            configuration.mounts.removeAll { $0.target == made.target }
            configuration.mounts.append(made)
        }
        configuration.hooks += hooks
        configuration.additionalGroups += additionalGroups.map { "\($0)" }
    }

    private func unusable(_ what: String, _ path: FilePath, _ file: FilePath, _ reason: String) -> DeviceError {
        .unusable("\(what) \(escapedForDisplay(path.bytes))", file: escapedForDisplay(file.bytes), reason: reason)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func give(
        _ node: Node,
        to configuration: inout SandboxConfiguration,
        from file: FilePath
    ) throws(DeviceError) {
        let status = try? HostFiles.status(of: node.hostPath)
        var mode = node.mode
        if let status { mode = mode ?? UInt32(status.mode) }
        let made = DeviceNode(
            path: node.path,
            kind: try kind(of: node, status, file),
            mode: mode.map { $0 & 0o7777 } ?? 0o666,
            userID: node.userID,
            groupID: node.groupID,
            access: node.access
        )
        configuration.deviceNodes.removeAll { $0.path == made.path }
        configuration.deviceNodes.append(made)
        // A node made elsewhere than in `/dev`, which is new for each process, would stay in the image.
        if !made.path.starts(with: "/dev") || made.path == "/dev" {
            guard status != nil else {
                throw unusable("device node", node.hostPath, file, "there is no such file on this machine")
            }
            configuration.mounts.append(.init(.bind(node.hostPath), at: made.path))
        }
    }

    /// What a node is: as the file says if that is enough, else as it is on the host.
    private func kind(of node: Node, _ status: FileStatus?, _ file: FilePath) throws(DeviceError) -> DeviceNode.Kind {
        if node.kind == .fifo { return .fifo }
        if let kind = node.kind, let major = node.major, major != 0 {
            return .device(kind == .block ? .block : .character, major: major, minor: node.minor ?? 0)
        }
        guard let status else {
            throw unusable("device node", node.hostPath, file, "there is no such file on this machine")
        }
        let kind: DeviceRule.Kind
        switch status.type {
        case .characterDevice: kind = .character
        case .blockDevice: kind = .block
        case .fifo where node.kind == nil: return .fifo
        default: throw unusable("device node", node.hostPath, file, "it is not a device on this machine")
        }
        guard node.kind == nil || (node.kind == .block) == (kind == .block) else {
            throw unusable("device node", node.hostPath, file, "it is of another type on this machine")
        }
        return .device(kind, major: status.deviceMajor, minor: status.deviceMinor)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func mount(_ mount: Mount, from file: FilePath) throws(DeviceError) -> SandboxConfiguration.Mount {
        let isReadOnly = mount.options.contains("ro")
        let options = mount.options.filter { !["bind", "rbind", "ro", "rw"].contains($0) }
        switch mount.type {
        case "", "bind", "none":
            do throws(SystemCallError) { _ = try HostFiles.resolved(mount.hostPath) } catch {
                throw unusable("mount", mount.hostPath, file, SystemCallError.text(of: error.errno))
            }
            return .init(.bind(mount.hostPath), at: mount.containerPath, isReadOnly: isReadOnly, options: options)
        case "tmpfs":
            return .init(
                .tmpfs(size: nil, mode: 0o755),
                at: mount.containerPath,
                isReadOnly: isReadOnly,
                options: options
            )
        default: throw unusable("mount", mount.hostPath, file, "the type \(mount.type) is not supported")
        }
    }
}
