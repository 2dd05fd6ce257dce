internal import Text

/// `RUN --mount=…`: its fields as written.
///
/// Values other than `from` may hold variables, so that the mount itself is known
/// only once they are.
package struct MountFlag: Hashable, Sendable {
    package struct Field: Hashable, Sendable {
        package let key: String
        /// Nil for a key alone, such as `ro`.
        package let value: [UInt8]?
        /// The field as written.
        package let text: [UInt8]
    }

    package let fields: [Field]
    package let range: SourceRange

    /// The image, stage or context that the mount shows; nil for the build context, which an empty name means too.
    package var from: [UInt8]? {
        fields.last { $0.key == "from" }.flatMap(\.value).flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// A mount of one RUN.
package struct ExpandedMount: Hashable, Sendable {
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        case bind, cache, tmpfs, secret, ssh
    }

    package enum Sharing: String, Sendable, Hashable, CaseIterable {
        case shared, `private`, locked
    }

    package var kind: Kind = .bind
    package var from: [UInt8]?
    package var source: [UInt8]?
    package var target: [UInt8]?
    package var isReadOnly = true
    /// Bytes; tmpfs only.
    package var size: Int64?
    package var id: [UInt8]?
    package var sharing: Sharing?
    package var isRequired = false
    /// The variable that receives a secret.
    package var environmentName: [UInt8]?
    package var mode: UInt32?
    package var uid: UInt32?
    package var gid: UInt32?
}

extension MountFlag {
    private static let keys = [
        "type", "from", "source", "target", "readonly", "id", "sharing", "required", "size", "mode", "uid", "gid",
        "src",
        "dst", "destination", "ro", "rw", "readwrite", "env",
    ]

    /// Splits the value of the flag into its fields.
    init(parsing value: [UInt8], at range: SourceRange) throws(MountError) {
        fields = try mountFields(value).map { field in
            let equals = field.firstIndex(of: "=")
            return Field(
                key: Array(field[..<(equals ?? field.count)]).asciiLowercased.displayText,
                value: equals.map { Array(field[($0 + 1)...]) },
                text: field
            )
        }
        self.range = range
        for field in fields where field.key == "from" {
            if let value = field.value, let dollar = value.firstIndex(of: "$"), dollar != value.count - 1 {
                throw .expandedFrom
            }
        }
    }

    /// Whether the mount can be known before any variable is.
    var isConstant: Bool { !fields.contains { $0.value?.contains("$") ?? false } }

    /// Gives the fields their meaning.
    /// - Parameter expand: replaces the variables of a value.
    /// - Returns: the mount.
    /// - Throws: `MountError`, or whatever `expand` throws.
    package func mount(expanding expand: ([UInt8]) throws -> [UInt8]) throws -> ExpandedMount {
        var mount = ExpandedMount()
        var readOnly: Bool?
        for field in fields {
            guard let raw = field.value else {
                try apply(key: field, to: &mount, readOnly: &readOnly)
                continue
            }
            let value = field.key == "from" ? raw : try expand(raw)
            try apply(field, value, to: &mount, readOnly: &readOnly)
        }
        mount.isReadOnly = readOnly ?? !(mount.kind == .cache || mount.kind == .tmpfs)
        try check(mount)
        return mount
    }

    private func apply(key field: Field, to mount: inout ExpandedMount, readOnly: inout Bool?) throws(MountError) {
        switch field.key {
        case "readonly", "ro": readOnly = true
        case "readwrite", "rw": readOnly = false
        case "required":
            guard mount.kind == .secret || mount.kind == .ssh else {
                throw .keyNotForType(key: field.key, type: mount.kind.rawValue)
            }
            mount.isRequired = true
        default: throw .notAPair(field: field.text.displayText)
        }
    }

    private func apply(
        _ field: Field,
        _ value: [UInt8],
        to mount: inout ExpandedMount,
        readOnly: inout Bool?
    ) throws(MountError) {
        let text = value.displayText
        let path = value.isEmpty ? nil : value
        switch field.key {
        case "type":
            guard let kind = ExpandedMount.Kind(rawValue: text.lowercased()) else {
                let meant = suggestion(for: text, among: ExpandedMount.Kind.allCases.map(\.rawValue))
                throw .unsupportedType(quoted(value).displayText, didYouMean: meant)
            }
            mount.kind = kind
        case "sharing":
            guard let sharing = ExpandedMount.Sharing(rawValue: text.lowercased()) else {
                let meant = suggestion(for: text, among: ExpandedMount.Sharing.allCases.map(\.rawValue))
                throw .unsupportedSharing(quoted(value).displayText, didYouMean: meant)
            }
            mount.sharing = sharing
        case "from": mount.from = path
        case "source", "src": mount.source = path
        case "target", "dst", "destination": mount.target = path
        case "id": mount.id = path
        case "env": mount.environmentName = value
        case "readonly", "ro": readOnly = try boolean(field, text)
        case "readwrite", "rw": readOnly = try !boolean(field, text)
        default: try applyNumber(field, text, to: &mount)
        }
    }

    private func applyNumber(_ field: Field, _ text: String, to mount: inout ExpandedMount) throws(MountError) {
        switch field.key {
        case "required":
            guard mount.kind == .secret || mount.kind == .ssh else {
                throw .keyNotForType(key: field.key, type: mount.kind.rawValue)
            }
            mount.isRequired = try boolean(field, text)
        case "size":
            guard mount.kind == .tmpfs else { throw .keyNotForType(key: field.key, type: mount.kind.rawValue) }
            guard let size = parsedByteCount(text) else { throw .invalidValue(key: field.key, value: text) }
            mount.size = size
        case "mode": mount.mode = try number(field, text, radix: 8)
        case "uid": mount.uid = try number(field, text)
        case "gid": mount.gid = try number(field, text)
        default:
            let meant = suggestion(for: field.key, among: Self.keys)
            throw .unknownKey(field.key, field: field.text.displayText, didYouMean: meant)
        }
    }

    private func boolean(_ field: Field, _ text: String) throws(MountError) -> Bool {
        guard let flag = parsedBoolean(text) else { throw .invalidValue(key: field.key, value: text) }
        return flag
    }

    private func number(_ field: Field, _ text: String, radix: Int = 10) throws(MountError) -> UInt32 {
        guard text.utf8.allSatisfy(isDigit), let number = UInt32(text, radix: radix) else {
            throw .invalidValue(key: field.key, value: text)
        }
        return number
    }

    private func check(_ mount: ExpandedMount) throws(MountError) {
        if mount.kind == .bind || mount.kind == .tmpfs {
            for (key, value) in [("mode", mount.mode), ("uid", mount.uid), ("gid", mount.gid)] where value != nil {
                throw .notAllowedForType(key: key, type: mount.kind.rawValue)
            }
        }
        if mount.kind == .secret {
            guard mount.from == nil else { throw .secretWithFrom }
            guard mount.sharing == nil else { throw .secretWithSharing }
            guard mount.source != nil || mount.target != nil || mount.id != nil else { throw .secretWithoutName }
            guard mount.source == nil || mount.id == nil else { throw .secretWithSourceAndID }
        }
        guard mount.sharing == nil || mount.kind == .cache else { throw .sharingNotForType(mount.kind.rawValue) }
    }
}

/// `RUN --device=name[,required]`.
package struct DeviceFlag: Hashable, Sendable {
    package private(set) var name: [UInt8] = []
    package private(set) var isRequired = false

    init(parsing value: [UInt8]) throws(MountError) {
        for field in try mountFields(value) {
            guard let equals = field.firstIndex(of: "=") else {
                if field.asciiLowercased == "required" {
                    isRequired = true
                } else if name.isEmpty {
                    name = field
                } else {
                    throw .notAPair(field: field.displayText)
                }
                continue
            }
            let key = Array(field[..<equals]).asciiLowercased.displayText
            let text = Array(field[(equals + 1)...])
            switch key {
            case "name":
                guard name.isEmpty else { throw .deviceNamedTwice(name.displayText) }
                name = text
            case "required":
                guard let flag = parsedBoolean(text.displayText) else {
                    throw .invalidValue(key: key, value: text.displayText)
                }
                isRequired = flag
            default:
                guard name.isEmpty else {
                    let meant = suggestion(for: key, among: ["name", "required"])
                    throw .unknownKey(key, field: field.displayText, didYouMean: meant)
                }
                // A device's own name holds an equals sign: vendor.com/device=foo.
                name = field
            }
        }
    }
}

/// The fields of a value; text after a closing quote and a quote without an end have one message in Go.
private func mountFields(_ value: [UInt8]) throws(MountError) -> [[UInt8]] {
    do throws(CommaSeparatedError) {
        return try commaSeparatedFields(value)
    } catch {
        throw .malformedList(
            error == .bareQuote ? "bare \" in non-quoted-field" : "extraneous or missing \" in quoted-field"
        )
    }
}
