package import Containers
internal import LinuxSystem
internal import SystemPackage
package import Terminal
internal import Text

/// What values of `run` and `create` mean.
package enum ContainerFlagValues {
    /// `type=bind,source=…,target=…,readonly`.
    package static func mount(_ bytes: [UInt8]) throws(FlagValueError) -> ContainerMount {
        if bytes.isEmpty { throw FlagValueError("value is empty") }
        var type = "volume"
        var source: [UInt8]?
        var size: Int64?
        var mount = ContainerMount(.tmpfs(size: nil), at: "")
        for (name, value) in try FlagValues.fields(bytes) {
            let key = name.lowercased()
            if value == nil, !["readonly", "ro", "volume-nocopy", "rw"].contains(key) {
                throw FlagValueError("invalid field '\(name)' must be a key=value pair")
            }
            if ["source", "src"].contains(key) {
                source = value
                continue
            }
            let text = try FlagValues.text(value ?? [])
            func truth() throws(FlagValueError) -> Bool {
                guard let value else { return true }
                do throws(FlagValueError) { return try FlagValues.boolean(value) } catch {
                    throw FlagValueError("invalid value for \(key): \(text)")
                }
            }
            switch key {
            case "type": type = text.lowercased()
            case "target", "dst", "destination": mount.target = text
            case "readonly", "ro": mount.isReadOnly = try truth()
            case "rw": mount.isReadOnly = try !truth()
            case "volume-nocopy": mount.copiesNothing = try truth()
            case "bind-propagation" where ContainerMount.propagations.contains(text): mount.options.append(text)
            case "tmpfs-size":
                guard let bytes = parsedByteCount(text) else {
                    throw FlagValueError("invalid value for \(key): \(text)")
                }
                size = bytes
            case "tmpfs-mode":
                guard let mode = UInt32(text, radix: 8), mode <= 0o7777 else {
                    throw FlagValueError("invalid value for \(key): \(text)")
                }
                mount.options.append("mode=\(text)")
            case "bind-propagation": throw FlagValueError("invalid value for \(key): \(text)")
            default: throw FlagValueError("unknown option '\(name)' in '\(name)=\(text)'")
            }
        }
        mount.kind = try kind(type, source, size)
        guard !mount.target.isEmpty else { throw FlagValueError("target is required") }
        guard mount.target.hasPrefix("/") else {
            throw FlagValueError("invalid mount path: '\(mount.target)' mount path must be absolute")
        }
        return mount
    }

    private static func kind(
        _ type: String,
        _ source: [UInt8]?,
        _ size: Int64?
    ) throws(FlagValueError) -> ContainerMount.Kind {
        switch type {
        case "bind":
            guard let source, !source.isEmpty else { throw FlagValueError("source is required") }
            guard source.first == "/" || source.first == "." else {
                throw FlagValueError("invalid mount path: '\(escapedForDisplay(source))' mount path must be absolute")
            }
            return .bind(source: FilePath(bytes: source))
        case "volume":
            guard let source, !source.isEmpty else {
                return .volume(name: ContainerNames.makeID(), isAnonymous: true)
            }
            let name = escapedForDisplay(source)
            guard ContainerNames.isValid(name) else {
                throw FlagValueError("\(ContainerError.invalidVolumeName(name))")
            }
            return .volume(name: name, isAnonymous: false)
        case "tmpfs":
            guard source == nil else { throw FlagValueError("field Source must not be specified") }
            return .tmpfs(size: size)
        default: throw FlagValueError("mount type '\(type)' is not one of bind, volume and tmpfs")
        }
    }

    /// Whose user namespace a container is in; the options that podman gives `keep-id` after a colon are refused.
    package static func userNamespace(_ bytes: [UInt8]) throws(FlagValueError) -> UserNamespaceMode? {
        let text = try FlagValues.text(bytes)
        if text.isEmpty { return nil }
        guard let mode = UserNamespaceMode(rawValue: text) else {
            throw FlagValueError(
                "it is not supported by Slipway: containers have no user namespaces of their own but for keep-id; host is the one Slipway is in"
            )
        }
        return mode
    }

    /// `host:ip` or `host=ip`, IPv6 with or without brackets, or `host-gateway`.
    package static func host(_ bytes: [UInt8]) throws(FlagValueError) -> ContainerOptions.Host {
        let text = try FlagValues.text(bytes)
        let separator = text.firstIndex(of: "=") ?? text.firstIndex(of: ":")
        guard let separator, separator > text.startIndex else {
            throw FlagValueError("bad format for add-host: \"\(text)\"")
        }
        var address = String(text[text.index(after: separator)...])
        if address.hasPrefix("["), address.hasSuffix("]") { address = String(address.dropFirst().dropLast()) }
        guard address == "host-gateway" || InternetAddress(address) != nil else {
            throw FlagValueError("invalid IP address in add-host: \"\(address)\"")
        }
        return ContainerOptions.Host(name: String(text[..<separator]), address: address)
    }

    package static func address(_ bytes: [UInt8]) throws(FlagValueError) -> String {
        let text = try FlagValues.text(bytes)
        guard InternetAddress(text) != nil else {
            throw FlagValueError("IP address is not correctly formatted: \(text)")
        }
        return text
    }

    /// A name, or `.` for no domain at all.
    package static func searchDomain(_ bytes: [UInt8]) throws(FlagValueError) -> String {
        let text = try FlagValues.text(bytes)
        let labels = (text.hasSuffix(".") ? text.dropLast() : text[...]).split(
            separator: ".",
            omittingEmptySubsequences: false
        )
        let isValid = labels.allSatisfy { label in
            !label.isEmpty && !label.hasPrefix("-") && !label.hasSuffix("-")
                && label.unicodeScalars.allSatisfy {
                    $0 == "-" || ($0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil))
                }
        }
        guard text == "." || (isValid && text.utf8.count < 255) else {
            throw FlagValueError("\(text) is not a valid domain")
        }
        return text
    }

    /// `name=soft[:hard]`.
    package static func limit(_ bytes: [UInt8]) throws(FlagValueError) -> ContainerOptions.Limit {
        let limit = try FlagValues.limit(bytes)
        func number(_ value: Int64) -> UInt64 { value < 0 ? .max : UInt64(value) }
        return ContainerOptions.Limit(name: limit.name, soft: number(limit.soft), hard: number(limit.hard))
    }

    package static func apply(securityOption bytes: [UInt8], to options: inout ContainerOptions) throws(FlagValueError)
    {
        let text = try FlagValues.text(bytes)
        let separator = text.firstIndex(of: "=") ?? text.firstIndex(of: ":")
        let name = separator.map { String(text[..<$0]) } ?? text
        let value = separator.map { String(text[text.index(after: $0)...]) }
        switch (name, value) {
        case ("no-new-privileges", nil): options.gainsNoPrivileges = true
        case ("no-new-privileges", let value?): options.gainsNoPrivileges = try FlagValues.boolean(Array(value.utf8))
        case ("seccomp", "unconfined"?): options.confinesSystemCalls = false
        case ("seccomp", "builtin"?), ("seccomp", "default"?): options.confinesSystemCalls = true
        case ("systempaths", "unconfined"?): options.masksKernelFiles = false
        // There is no such confinement that could be taken away.
        case ("apparmor", "unconfined"?), ("label", "disable"?): break
        case ("seccomp", .some), ("apparmor", .some), ("label", .some):
            throw FlagValueError("the security option \"\(text)\" is not supported by this version of Slipway")
        default: throw FlagValueError("invalid --security-opt: \"\(text)\"")
        }
    }

    /// A limit of memory in bytes; nil for 0, which is none.
    package static func memory(_ size: Int64) throws(FlagValueError) -> Int64? {
        guard size == 0 || size >= 6 << 20 else { throw FlagValueError("Minimum memory limit allowed is 6MB") }
        return size == 0 ? nil : size
    }

    /// Processors' worth of time; nil for 0, which is no limit.
    package static func processors(_ number: Double) throws(FlagValueError) -> Double? {
        let available = ProcessContext.processors
        guard number == 0 || (0.01...Double(available)).contains(number) else {
            throw FlagValueError(
                "range of CPUs is from 0.01 to \(available).00, as there are only \(available) CPUs available"
            )
        }
        return number == 0 ? nil : number
    }
}
