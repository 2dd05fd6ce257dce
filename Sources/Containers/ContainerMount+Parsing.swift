internal import LinuxSystem

extension ContainerMount {
    /// Ways in which mounts made later on one side show on the other.
    ///
    /// See mount_namespaces(7).
    package static let propagations: Set<String> = ["private", "rprivate", "shared", "rshared", "slave", "rslave"]

    /// Reads the value of `-v`: `source:target[:options]`, `name:target`, or a target alone.
    /// - Throws: `ContainerError.invalidMount`, in docker's words.
    package init(parsingVolume text: String, newVolumeName: () -> String = ContainerNames.makeID) throws(ContainerError)
    {
        func refused(_ reason: String) -> ContainerError { .invalidMount(text, reason: reason) }
        if text.isEmpty { throw refused("invalid empty volume spec") }
        let fields = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard !fields.contains("") else { throw refused("invalid spec: \(text): empty section between colons") }
        guard fields.count <= 3 else { throw refused("invalid spec: \(text): too many colons") }
        let target = fields.count == 1 ? fields[0] : fields[1]
        guard target.hasPrefix("/") else {
            throw refused("invalid volume specification: '\(text)': mount path must be absolute")
        }
        guard target.split(separator: "/").contains(where: { $0 != "." }) else {
            throw refused("invalid volume specification: '\(text)': destination can't be '/'")
        }
        var mount = ContainerMount(.volume(name: "", isAnonymous: true), at: target)
        mount.writtenOptions = fields.count == 3 ? fields[2] : ""
        for option in (fields.count == 3 ? fields[2] : "rw").split(separator: ",").map(String.init) {
            switch option {
            case "ro": mount.isReadOnly = true
            case "rw", "z", "Z": break
            case "nocopy": mount.copiesNothing = true
            case let option where Self.propagations.contains(option): mount.options.append(option)
            default: throw refused("invalid mode: \(fields[2])")
            }
        }
        if fields.count == 1 {
            mount.kind = .volume(name: newVolumeName(), isAnonymous: true)
        } else if fields[0].hasPrefix("/") || fields[0].hasPrefix(".") {
            mount.kind = .bind(source: fields[0])
            mount.createsSource = true
        } else {
            guard ContainerNames.isValid(fields[0]) else {
                throw refused("\(ContainerError.invalidVolumeName(fields[0]))")
            }
            mount.kind = .volume(name: fields[0], isAnonymous: false)
        }
        self = mount
    }

    /// Reads the value of `--tmpfs`: `target[:options]`.
    /// - Throws: `ContainerError.invalidMount`.
    package init(parsingTemporary text: String) throws(ContainerError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let target = parts.first, target.hasPrefix("/") else {
            throw .invalidMount(text, reason: "invalid mount path: '\(parts.first ?? "")' mount path must be absolute")
        }
        guard target.split(separator: "/").contains(where: { $0 != "." }) else {
            throw .invalidMount(text, reason: "invalid specification: destination can't be '/'")
        }
        // Docker's defaults, each of which its opposite takes back.
        var options = ["noexec", "nosuid", "nodev"]
        var size: Int64?
        var isReadOnly = false
        for option in (parts.count > 1 ? parts[1] : "").split(separator: ",").map(String.init) {
            let pair = option.split(separator: "=", maxSplits: 1).map(String.init)
            switch (pair[0], pair.count > 1 ? pair[1] : nil) {
            case ("exec", nil), ("suid", nil), ("dev", nil): options.removeAll { $0 == "no" + option }
            case ("noexec", nil), ("nosuid", nil), ("nodev", nil): break
            case ("ro", nil): isReadOnly = true
            case ("rw", nil): isReadOnly = false
            case ("size", let value?):
                guard let bytes = byteCount(value) else { throw .invalidMount(text, reason: Self.badOption(option)) }
                size = bytes
            case ("mode", let value?) where UInt32(value, radix: 8).map { $0 <= 0o7777 } ?? false:
                options.append(option)
            case ("uid", let value?) where UInt32(value) != nil, ("gid", let value?) where UInt32(value) != nil,
                ("nr_inodes", let value?) where byteCount(value) != nil,
                ("nr_blocks", let value?) where byteCount(value) != nil:
                options.append(option)
            case ("noatime", nil), ("relatime", nil), ("strictatime", nil), ("nodiratime", nil), ("sync", nil):
                options.append(option)
            default: throw .invalidMount(text, reason: Self.badOption(option))
            }
        }
        self.init(
            .tmpfs(size: size),
            at: target,
            isReadOnly: isReadOnly,
            options: options,
            writtenOptions: parts.count > 1 ? parts[1] : ""
        )
    }

    private static func badOption(_ option: String) -> String { "Invalid tmpfs option [\"\(option)\"]" }
}

/// Reads `64k`, `1g` or a plain number as the kernel does for a tmpfs.
private func byteCount(_ text: String) -> Int64? {
    guard let last = text.last else { return nil }
    let factors: [Character: Int64] = ["k": 1 << 10, "m": 1 << 20, "g": 1 << 30]
    let factor = factors[Character(last.lowercased())]
    guard let number = Int64(factor == nil ? text : String(text.dropLast())), number >= 0 else { return nil }
    let (size, overflows) = number.multipliedReportingOverflow(by: factor ?? 1)
    return overflows ? nil : size
}
