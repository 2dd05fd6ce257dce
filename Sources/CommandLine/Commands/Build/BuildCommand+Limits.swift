import BuildEngine
internal import BuildKitService
import LLB
import LinuxSystem
internal import Terminal
internal import Text

/// What RUN steps may do, see and take.
extension BuildCommand {
    static let limitFlags: [Flag<BuildCommand>] =
        [
            .values(
                "add-host",
                \.hosts,
                placeholder: "strings",
                help: "Add a custom host-to-IP mapping (format: \"host:ip\")"
            ) { bytes throws(FlagValueError) in
                var all: [(name: [UInt8], address: [UInt8])] = []
                for field in try FlagValues.commaSeparated(bytes) { all += try hosts(field) }
                return all
            },
            .values(
                "allow",
                \.allowances,
                placeholder: "stringArray",
                help:
                    "Allow extra privileged entitlement (e.g., \"network.host\", \"security.insecure\", \"device\", \"buildx.local.delete\")"
            ) { bytes throws(FlagValueError) in [try Allowance(parsing: bytes)] },
            .bytes(
                "cgroup-parent",
                \.controlGroupParent,
                help: "Set the parent cgroup for the \"RUN\" instructions during build"
            ),
            .values(
                "resource",
                \.resources,
                placeholder: "stringArray",
                help: "Limit the resources of \"RUN\" instructions (format: \"memory=512m\")"
            ) { bytes throws(FlagValueError) in [try resource(bytes)] },
            .value(
                "shm-size",
                \.sharedMemorySize,
                placeholder: "bytes",
                help: "Shared memory size for build containers"
            ) {
                bytes throws(FlagValueError) in try FlagValues.size(bytes, allowsUnlimited: false)
            },
            .values("ulimit", \.limits, placeholder: "ulimit", help: "Ulimit options") {
                bytes throws(FlagValueError) in
                let limit = try FlagValues.limit(bytes)
                return [ResourceLimit(name: Array(limit.name.utf8), soft: limit.soft, hard: limit.hard)]
            },
        ]
        + resourceNames.map { name, short in
            Flag<BuildCommand>.values(
                name,
                short: short,
                \.resources,
                placeholder: "string",
                help: "Same as --resource \(name)"
            ) {
                bytes throws(FlagValueError) in [try resource(name, bytes)]
            }.hidden
        }

    /// Docker's older flags, whose names are those of `--resource`.
    private static let resourceNames: [(String, Character?)] = [
        ("memory", "m"), ("memory-swap", nil), ("cpu-shares", "c"), ("cpu-period", nil), ("cpu-quota", nil),
        ("cpuset-cpus", nil), ("cpuset-mems", nil),
    ]

    /// Tells the request what the flags say.
    func applyLimits(to request: inout BuildRequest) {
        request.extraHosts = hosts
        for allowance in allowances { allowance.apply(to: &request) }
        request.limits = limits
        request.sharedMemorySize = sharedMemorySize ?? 0
        request.controlGroupParent = controlGroupParent ?? []
        for resource in resources { resource.apply(to: &request.resources) }
    }

    /// A name with an address, or with several between commas; each pair is a line of `/etc/hosts`.
    private static func hosts(_ bytes: [UInt8]) throws(FlagValueError) -> [(name: [UInt8], address: [UInt8])] {
        let invalid = FlagValueError("invalid host \(escapedForDisplay(bytes))")
        // As buildx: an equals sign anywhere separates, else the first colon.
        let separator = bytes.firstIndex(of: "=") ?? bytes.firstIndex(of: ":")
        guard let separator, separator > 0, separator + 1 < bytes.count else { throw invalid }
        let name = Array(bytes[..<separator])
        let addresses = bytes[(separator + 1)...]
        // What it is is known when a step has its network.
        if addresses == "host-gateway" { return [(name, Array(addresses))] }
        var hosts: [(name: [UInt8], address: [UInt8])] = []
        for part in addresses.split(separator: ",", omittingEmptySubsequences: false) {
            let isBracketed = part.first == "[" && part.last == "]"
            let address = Array(isBracketed ? part.dropFirst().dropLast() : part)
            guard InternetAddress(String(decoding: address, as: UTF8.self)) != nil else { throw invalid }
            hosts.append((name, address))
        }
        return hosts
    }

    private static func resource(_ bytes: [UInt8]) throws(FlagValueError) -> ResourceOption {
        guard let separator = bytes.firstIndex(of: "=") else {
            throw FlagValueError("invalid resource \(escapedForDisplay(bytes)), expected key=value")
        }
        return try resource(try FlagValues.text(Array(bytes[..<separator])), Array(bytes[(separator + 1)...]))
    }

    private static func resource(_ name: String, _ value: [UInt8]) throws(FlagValueError) -> ResourceOption {
        switch name {
        case "memory": .memory(try FlagValues.size(value, allowsUnlimited: false))
        case "memory-swap": .memoryAndSwap(try FlagValues.size(value, allowsUnlimited: true))
        case "cpu-shares": .processorShares(try count(value))
        case "cpu-period": .processorPeriod(try count(value))
        case "cpu-quota": .processorQuota(Int64(clamping: try FlagValues.integer(value)))
        case "cpuset-cpus": .processors(try processorList(value))
        case "cpuset-mems": .memoryNodes(try processorList(value))
        default: throw FlagValueError("unknown resource \(name)")
        }
    }

    private static func count(_ bytes: [UInt8]) throws(FlagValueError) -> UInt64 {
        let number = try FlagValues.integer(bytes)
        guard number >= 0 else { throw FlagValueError("it is negative") }
        return UInt64(number)
    }

    private static func processorList(_ bytes: [UInt8]) throws(FlagValueError) -> String {
        let text = try FlagValues.text(bytes)
        guard !text.isEmpty, text.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == "," || $0 == "-") }) else {
            throw FlagValueError("it is not a list such as 0-2,4")
        }
        return text
    }
}

/// One `--resource`.
enum ResourceOption: Sendable, Hashable {
    case memory(Int64)
    case memoryAndSwap(Int64)
    case processorShares(UInt64)
    case processorPeriod(UInt64)
    case processorQuota(Int64)
    case processors(String)
    case memoryNodes(String)

    func apply(to resources: inout Resources) {
        switch self {
        case .memory(let value): resources.memory = value
        case .memoryAndSwap(let value): resources.memoryAndSwap = value
        case .processorShares(let value): resources.processorShares = value
        case .processorPeriod(let value): resources.processorPeriod = value
        case .processorQuota(let value): resources.processorQuota = value
        case .processors(let value): resources.processors = value
        case .memoryNodes(let value): resources.memoryNodes = value
        }
    }
}
