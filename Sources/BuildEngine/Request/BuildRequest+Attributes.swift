import LLB
import OCI
import SystemPackage
import Text

extension BuildRequest {
    /// The request as clients of BuildKit would put it to its Dockerfile frontend.
    ///
    /// Left out: what is about the machine alone, as limits of its resources.
    package var frontendAttributes: [String: String] {
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        var attributes = ["filename": dockerfile.shownName ?? "Dockerfile"]
        if case .address(let address) = context { attributes["context"] = text(address) }
        if let target { attributes["target"] = text(target) }
        for argument in buildArguments { attributes["build-arg:\(text(argument.name))"] = text(argument.value) }
        for label in labels { attributes["label:\(text(label.name))"] = text(label.value) }
        for (name, value) in namedContexts {
            // Paths are the client's own.
            let isAddress = text(value).contains("://") || BuildRequest.isAddress(value)
            attributes["context:\(text(name))"] = isAddress ? text(value) : "local:\(text(name))"
        }
        if ignoresCache {
            attributes["no-cache"] = ""
        } else if !uncachedStages.isEmpty {
            attributes["no-cache"] = uncachedStages.sorted().joined(separator: ",")
        }
        if !platforms.isEmpty { attributes["platform"] = platforms.map(\.description).joined(separator: ",") }
        if network != .default { attributes["force-network-mode"] = network.rawValue }
        if !extraHosts.isEmpty {
            attributes["add-hosts"] = extraHosts.map { "\(text($0.name))=\(text($0.address))" }.joined(separator: ",")
        }
        if sharedMemorySize > 0 { attributes["shm-size"] = "\(sharedMemorySize)" }
        if !limits.isEmpty {
            attributes["ulimit"] = limits.map { "\(text($0.name))=\($0.soft):\($0.hard)" }.joined(separator: ",")
        }
        return attributes
    }
}

extension DockerfileLocation {
    /// Its name; nil for one that has none.
    var shownName: String? {
        switch self {
        case .default, .content, .address: nil
        case .file(let path), .inContext(let path), .offered(_, let path), .graph(_, let path): path.shownName
        }
    }
}
