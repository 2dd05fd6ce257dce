internal import LinuxSystem
internal import SystemPackage
internal import Text

extension ContainerMount {
    /// Ways in which mounts made later on one side show on the other.
    ///
    /// See mount_namespaces(7).
    package static let propagations: Set<String> = ["private", "rprivate", "shared", "rshared", "slave", "rslave"]

    /// Reads the value of `-v`: `source:target[:options]`, `name:target`, or a target alone.
    ///
    /// A source that is a path may be any bytes; the rest is text, as the runtime's configuration is.
    /// - Throws: `ContainerError.invalidMount`, in docker's words.
    package init(
        parsingVolume bytes: [UInt8],
        newVolumeName: () -> String = ContainerNames.makeID
    ) throws(ContainerError) {
        let shown = escapedForDisplay(bytes)
        func refused(_ reason: String) -> ContainerError { .invalidMount(shown, reason: reason) }
        if bytes.isEmpty { throw refused("invalid empty volume spec") }
        let fields = bytes.split(separator: ":", omittingEmptySubsequences: false)
        guard !fields.contains("") else { throw refused("invalid spec: \(shown): empty section between colons") }
        guard fields.count <= 3 else { throw refused("invalid spec: \(shown): too many colons") }
        let source = fields.count == 1 ? nil : fields[0]
        guard let target = String(validating: fields[source == nil ? 0 : 1], as: UTF8.self), target.hasPrefix("/")
        else {
            throw refused("invalid volume specification: '\(shown)': mount path must be absolute")
        }
        guard target.split(separator: "/").contains(where: { $0 != "." }) else {
            throw refused("invalid volume specification: '\(shown)': destination can't be '/'")
        }
        var mount = ContainerMount(.volume(name: newVolumeName(), isAnonymous: true), at: target)
        let options = escapedForDisplay(fields.count == 3 ? fields[2] : "rw")
        mount.writtenOptions = fields.count == 3 ? options : ""
        guard mount.take(options.split(separator: ",").map(String.init)) else {
            throw refused("invalid mode: \(options)")
        }
        if let source, source.first == "/" || source.first == "." {
            mount.kind = .bind(source: FilePath(bytes: source))
            mount.createsSource = true
        } else if let source {
            let name = escapedForDisplay(source)
            guard ContainerNames.isValid(name) else { throw refused("\(ContainerError.invalidVolumeName(name))") }
            mount.kind = .volume(name: name, isAnonymous: false)
        }
        self = mount
    }

    /// Applies the options of `-v`; false where one is unknown.
    private mutating func take(_ options: [String]) -> Bool {
        for option in options {
            switch option {
            case "ro": isReadOnly = true
            case "rw", "z", "Z": break
            case "nocopy": copiesNothing = true
            case let option where Self.propagations.contains(option): self.options.append(option)
            default: return false
            }
        }
        return true
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
