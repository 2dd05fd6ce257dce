import DockerfileSyntax
import LLB
import OCI
internal import Text

/// The arguments that exist before any ARG: the platforms and the target.
func predefinedArguments(build: Platform, target: Platform, stage: String, given: Variables) -> Variables {
    let pairs: [(String, String)] = [
        ("BUILDPLATFORM", build.description), ("BUILDOS", build.os), ("BUILDOSVERSION", build.osVersion ?? ""),
        ("BUILDARCH", build.architecture), ("BUILDVARIANT", build.variant ?? ""),
        ("TARGETPLATFORM", target.description), ("TARGETOS", target.os), ("TARGETOSVERSION", target.osVersion ?? ""),
        ("TARGETARCH", target.architecture), ("TARGETVARIANT", target.variant ?? ""), ("TARGETSTAGE", stage),
    ]
    var variables = Variables()
    for (name, value) in pairs {
        let name = Array(name.utf8)
        variables.set(name, to: given[name] ?? Array(value.utf8))
    }
    return variables
}

/// Whether an argument tells only the builder something and reaches no command.
func isOnlyForBuilder(_ name: [UInt8]) -> Bool {
    name == "BUILDKIT_SBOM_SCAN_CONTEXT" || name == "BUILDKIT_SBOM_SCAN_STAGE"
}

/// The proxies among build arguments: known without ARG, given to RUN steps, and part of no cache key.
func proxies(in given: Variables) -> ProxyEnvironment? {
    var proxies = ProxyEnvironment()
    var isEmpty = true
    for (name, value) in given.ordered.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
        switch name.asciiLowercased.displayText {
        case "http_proxy": proxies.http = value
        case "https_proxy": proxies.https = value
        case "ftp_proxy": proxies.ftp = value
        case "no_proxy": proxies.none = value
        case "all_proxy": proxies.all = value
        default: continue
        }
        isEmpty = false
    }
    return isEmpty ? nil : proxies
}

/// The given arguments that no ARG declares and that have no meaning of their own.
func unusedArguments(_ given: Variables, in dockerfile: Dockerfile, predefined: Variables) -> [[UInt8]] {
    var known: Set<[UInt8]> = Set(predefined.names)
    for instruction in dockerfile.instructions {
        if case .arg(let definitions) = instruction.command { known.formUnion(definitions.map(\.name)) }
    }
    let proxyNames = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"]
    return given.names.filter { name in
        !known.contains(name) && !name.starts(with: "BUILDKIT_") && name != "SOURCE_DATE_EPOCH"
            && !proxyNames.contains(name.asciiLowercased.displayText)
    }
    .sorted { $0.lexicographicallyPrecedes($1) }
}
