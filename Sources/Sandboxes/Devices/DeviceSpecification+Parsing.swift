internal import LinuxSystem
package import SystemPackage
internal import Text
internal import Yams

extension DeviceSpecification {
    /// The most that a file may have.
    static let maximumSize = 1 << 20

    private static let versions = ["0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"]

    /// Reads a specification, in JSON or YAML; JSON is YAML, too.
    /// - Throws: `DeviceError.invalid`, with the line, for all that the specification does not know: it could matter.
    package init(parsing bytes: [UInt8], file: FilePath) throws(DeviceError) {
        self.init(file: file)
        let name = escapedForDisplay(file.bytes)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .invalid(file: name, line: nil, reason: "it is not UTF-8")
        }
        let root: Yams.Node?
        do { root = try Yams.compose(yaml: text) } catch let error as YamlError {
            throw .invalid(file: name, line: error.line, reason: "it is neither JSON nor YAML")
        } catch {
            throw .invalid(file: name, line: nil, reason: "\(error)")
        }
        guard let root else { throw .invalid(file: name, line: nil, reason: "it is empty") }
        let reader = try Fields(
            root,
            in: name,
            known: ["cdiVersion", "kind", "annotations", "devices", "containerEdits"]
        )
        let version = try reader.text("cdiVersion") ?? ""
        guard Self.versions.contains(version.hasPrefix("v") ? String(version.dropFirst()) : version) else {
            let known = "\(Self.versions.first ?? "") to \(Self.versions.last ?? "")"
            throw reader.invalid("cdiVersion", "\"\(version)\" is not a version from \(known)")
        }
        kind = try reader.text("kind") ?? ""
        let parts = kind.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map { Array($0.utf8) }
        guard parts.count == 2, parts.allSatisfy({ isName($0, startsWithLetter: true, and: "_-.") }) else {
            throw reader.invalid("kind", "\"\(kind)\" is not of the form vendor.com/class")
        }
        annotations = try reader.annotations()
        edits = try reader.edits()
        for fields in try reader.list("devices", known: ["name", "annotations", "containerEdits"]) {
            var device = Device()
            device.name = try fields.text("name") ?? ""
            guard isName(Array(device.name.utf8), startsWithLetter: false, and: "_-.:") else {
                throw fields.invalid("name", "\"\(device.name)\" is not a device name")
            }
            guard !devices.contains(where: { $0.name == device.name }) else {
                throw fields.invalid("name", "\"\(device.name)\" appears twice")
            }
            device.annotations = try fields.annotations()
            device.edits = try fields.edits()
            guard !device.edits.isEmpty else {
                throw fields.invalid("containerEdits", "the device \"\(device.name)\" has none")
            }
            devices.append(device)
        }
        guard !devices.isEmpty else { throw reader.invalid("devices", "there are none") }
    }
}

/// Whether a name is of letters, digits and some marks, none of them at an end.
private func isName(_ name: [UInt8], startsWithLetter: Bool, and marks: String) -> Bool {
    func isLetter(_ byte: UInt8) -> Bool { ("a"..."z").contains(byte | 0x20) }
    func isDigit(_ byte: UInt8) -> Bool { ("0"..."9").contains(byte) }
    guard let first = name.first, let last = name.last else { return false }
    return (isLetter(first) || !startsWithLetter && isDigit(first)) && (isLetter(last) || isDigit(last))
        && name.allSatisfy { isLetter($0) || isDigit($0) || marks.utf8.contains($0) }
}

/// The members of a mapping, each of the type that it must have.
private struct Fields {
    private let members: [String: Yams.Node]
    private let line: Int?
    private let file: String

    init(_ node: Yams.Node, in file: String, known: Set<String>) throws(DeviceError) {
        self.file = file
        line = node.mark?.line
        guard case .mapping(let mapping) = node else {
            throw .invalid(file: file, line: line, reason: "expected names with values")
        }
        var members: [String: Yams.Node] = [:]
        for (key, value) in mapping {
            guard let name = key.scalar?.string, known.isEmpty || known.contains(name) else {
                let shown = escapedForDisplay(Array((key.scalar?.string ?? "a list").utf8))
                throw .invalid(file: file, line: key.mark?.line, reason: "unknown field \"\(shown)\"")
            }
            guard members.updateValue(value, forKey: name) == nil else {
                throw .invalid(file: file, line: key.mark?.line, reason: "\"\(name)\" appears twice")
            }
        }
        self.members = members
    }

    func invalid(_ name: String, _ reason: String) -> DeviceError {
        let shown = escapedForDisplay(Array(reason.utf8))
        return .invalid(file: file, line: members[name]?.mark?.line ?? line, reason: "\(name): \(shown)")
    }

    private func scalar(_ name: String) -> Yams.Node.Scalar? {
        guard let scalar = members[name]?.scalar else { return nil }
        return isNull(scalar) ? nil : scalar
    }

    private func isNull(_ scalar: Yams.Node.Scalar) -> Bool {
        scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    func text(_ name: String) throws(DeviceError) -> String? {
        guard let node = members[name] else { return nil }
        guard case .scalar = node else { throw invalid(name, "expected a string") }
        return scalar(name)?.string
    }

    func number(_ name: String) throws(DeviceError) -> UInt32? {
        guard let text = try text(name) else { return nil }
        let isOctal = text.count > 1 && text.hasPrefix("0")
        let digits = isOctal ? text.dropFirst(text.hasPrefix("0o") ? 2 : 1) : text[...]
        guard let number = UInt32(digits, radix: isOctal ? 8 : 10) else { throw invalid(name, "expected a number") }
        return number
    }

    func path(_ name: String) throws(DeviceError) -> FilePath {
        guard let text = try text(name), !text.isEmpty else { throw invalid(name, "expected a path") }
        let path = FilePath(text)
        guard path.isAbsolute else { throw invalid(name, "\"\(text)\" does not begin with a slash") }
        return path
    }

    private func nodes(_ name: String) throws(DeviceError) -> [Yams.Node] {
        switch members[name] {
        case nil: return []
        case .scalar(let scalar)? where isNull(scalar): return []
        case .sequence(let sequence)?: return Array(sequence)
        default: throw invalid(name, "a list is expected")
        }
    }

    func texts(_ name: String) throws(DeviceError) -> [String] {
        var texts: [String] = []
        for node in try nodes(name) {
            guard let scalar = node.scalar else { throw invalid(name, "expected a list of strings") }
            texts.append(scalar.string)
        }
        return texts
    }

    func list(_ name: String, known: Set<String>) throws(DeviceError) -> [Fields] {
        var fields: [Fields] = []
        for node in try nodes(name) { fields.append(try Fields(node, in: file, known: known)) }
        return fields
    }

    func annotations() throws(DeviceError) -> [String: String] {
        guard let node = members["annotations"], node.scalar == nil else { return [:] }
        let fields = try Fields(node, in: file, known: [])
        var annotations: [String: String] = [:]
        for name in fields.members.keys { annotations[name] = try fields.text(name) ?? "" }
        return annotations
    }

    func edits() throws(DeviceError) -> ContainerEdits {
        var edits = ContainerEdits()
        guard let node = members["containerEdits"], node.scalar == nil else { return edits }
        let fields = try Fields(
            node,
            in: file,
            known: ["env", "deviceNodes", "mounts", "additionalGids", "hooks", "intelRdt", "netDevices"]
        )
        edits.environment = try fields.texts("env")
        try fields.checkVariables(edits.environment, "env")
        for name in ["intelRdt", "netDevices"] where fields.members[name] != nil {
            throw fields.invalid(name, "this version of Slipway does not support it")
        }
        for hook in try fields.list("hooks", known: ["hookName", "path", "args", "env", "timeout"]) {
            edits.hooks.append(try hook.hook())
        }
        for text in try fields.texts("additionalGids") {
            guard let group = UInt32(text) else {
                throw fields.invalid("additionalGids", "\"\(text)\" is not a group number")
            }
            if group != 0 { edits.additionalGroups.append(group) }
        }
        for mount in try fields.list("mounts", known: ["hostPath", "containerPath", "type", "options"]) {
            edits.mounts.append(
                ContainerEdits.Mount(
                    hostPath: try mount.path("hostPath"),
                    containerPath: try mount.path("containerPath"),
                    type: try mount.text("type") ?? "",
                    options: try mount.texts("options")
                )
            )
        }
        let known: Set = ["path", "hostPath", "type", "major", "minor", "fileMode", "permissions", "uid", "gid"]
        for node in try fields.list("deviceNodes", known: known) { edits.nodes.append(try node.node()) }
        return edits
    }

    private func checkVariables(_ variables: [String], _ name: String) throws(DeviceError) {
        for variable in variables where variable.prefix(while: { $0 != "=" }).isEmpty || !variable.contains("=") {
            throw invalid(name, "\"\(variable)\" is not of the form NAME=value")
        }
    }

    private func hook() throws(DeviceError) -> ContainerEdits.Hook {
        let name = try text("hookName") ?? ""
        guard let moment = ContainerEdits.Hook.Moment(rawValue: name) else {
            throw invalid("hookName", "\"\(name)\" is not a hook of a container")
        }
        let hook = ContainerEdits.Hook(
            moment: moment,
            path: try path("path"),
            arguments: try texts("args"),
            environment: try texts("env"),
            timeout: try number("timeout").map { Int($0) }
        )
        try checkVariables(hook.environment, "env")
        return hook
    }

    private func node() throws(DeviceError) -> ContainerEdits.Node {
        let path = try path("path")
        var kind: ContainerEdits.Node.Kind?
        if let text = try text("type"), !text.isEmpty {
            guard let known = ContainerEdits.Node.Kind(rawValue: text) else {
                throw invalid("type", "\"\(text)\" is not one of b, c, u and p")
            }
            kind = known
        }
        var access: DeviceRule.Access = []
        for letter in try text("permissions") ?? "" {
            switch letter {
            case "r": access.insert(.read)
            case "w": access.insert(.write)
            case "m": access.insert(.make)
            default: throw invalid("permissions", "\"\(letter)\" is not one of r, w and m")
            }
        }
        return ContainerEdits.Node(
            path: path,
            hostPath: members["hostPath"] == nil ? path : try self.path("hostPath"),
            kind: kind,
            major: try number("major"),
            minor: try number("minor"),
            mode: try number("fileMode"),
            userID: try number("uid"),
            groupID: try number("gid"),
            access: access.isEmpty ? .all : access
        )
    }
}

extension YamlError {
    fileprivate var line: Int? {
        switch self {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): mark.line
        default: nil
        }
    }
}
