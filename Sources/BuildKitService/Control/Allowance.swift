package import BuildEngine
import LinuxSystem
import Sandboxes
package import Terminal

/// One `--allow`, and one entitlement that a client of the daemon asks for.
package enum Allowance: Sendable, Hashable {
    case entitlement(Entitlement)
    case allDevices
    /// A device or class; `alias` is what the build calls it.
    case device(String, alias: String?)

    package init(parsing bytes: [UInt8]) throws(FlagValueError) {
        let text = try FlagValues.text(bytes)
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        let name = parts.first ?? ""
        if name == "device" {
            self = try parts.count > 1 ? Self.device(Array(parts[1].utf8)) : .allDevices
            return
        }
        if name == Entitlement.localDelete.rawValue, text != name {
            throw FlagValueError("\(name) does not accept a value")
        }
        guard let entitlement = Entitlement(rawValue: text) else { throw FlagValueError("unknown entitlement \(text)") }
        self = .entitlement(entitlement)
    }

    private static func device(_ bytes: [UInt8]) throws(FlagValueError) -> Allowance {
        let fields = try FlagValues.commaSeparated(bytes)
        var alias: String?
        for field in fields.dropFirst() {
            let text = try FlagValues.text(field)
            guard text.hasPrefix("alias=") else {
                let key = text.prefix { $0 != "=" }
                throw FlagValueError(
                    text.contains("=") ? "unknown device config key \"\(key)\"" : "invalid device config \"\(text)\""
                )
            }
            alias = String(text.dropFirst("alias=".count))
        }
        return .device(try FlagValues.text(fields.first ?? []), alias: alias.flatMap { $0.isEmpty ? nil : $0 })
    }

    package func apply(to request: inout BuildRequest) {
        switch self {
        case .entitlement(let entitlement): request.entitlements.insert(entitlement)
        case .allDevices: request.deviceGrants.allowsAll = true
        case .device(let name, let alias?): request.deviceGrants.aliases[alias] = name
        case .device(let name, nil): request.deviceGrants.names.insert(name)
        }
    }
}
