import BuildEngine
import DockerfileFrontend
import FoundationEssentials
import LLB
import LinuxSystem
import OCI
import Operations
import SystemPackage
import Text

/// The attributes of a request to the Dockerfile frontend, as BuildKit's clients send them.
struct FrontendAttributes {
    private let attributes: [String: String]

    init(_ attributes: [String: String]) { self.attributes = attributes }

    /// The value of an attribute; nil for one that is empty.
    private func text(_ name: String) -> String? { attributes[name].flatMap { $0.isEmpty ? nil : $0 } }

    private func bytes(_ name: String) -> [UInt8]? { text(name).map { Array($0.utf8) } }

    /// The attributes whose names begin with something, by the rest of their names.
    private func all(_ prefix: String) -> [(name: String, value: String)] {
        attributes.filter { $0.key.hasPrefix(prefix) }
            .map { (name: String($0.key.dropFirst(prefix.count)), value: $0.value) }
            .sorted { $0.name < $1.name }
    }

    private func pairs(_ prefix: String) -> [(name: [UInt8], value: [UInt8])] {
        all(prefix).map { (name: Array($0.name.utf8), value: Array($0.value.utf8)) }
    }

    /// The question to the Dockerfile instead of a build; nil for a build.
    func call() throws(ServiceError) -> FrontendCall? {
        guard let id = text("requestid") else { return nil }
        let name = id.hasPrefix("frontend.") ? String(id.dropFirst("frontend.".count)) : id
        guard let call = FrontendCall(rawValue: name) else { throw .unsupportedQuestion(id) }
        return call
    }

    /// Refuses a request that takes what this frontend cannot do (`frontend.caps`).
    /// - Parameter forwarded: whether the Dockerfile was looked at, and names no other frontend: one that can be had may do it,
    ///   where the request says `+forward`.
    /// - Throws: `ServiceError.unsupportedCapability`.
    func checkCapabilities(forwarded: Bool) throws(ServiceError) {
        for entry in text("frontend.caps")?.split(separator: ",") ?? [] {
            let parts = entry.split(separator: "+", maxSplits: 1)
            guard let name = parts.first.map(String.init), !Capabilities.frontend.contains(name) else { continue }
            if forwarded || !parts.dropFirst().contains("forward") { throw .unsupportedCapability(name) }
        }
    }

    /// The caches that are to be looked at, as types and attributes.
    func caches() throws -> [(type: String, attributes: [String: String])] {
        var caches: [(type: String, attributes: [String: String])] = []
        if let text = text("cache-imports") {
            do {
                let entries = try JSONDecoder().decode([CacheEntry].self, from: Data(text.utf8))
                caches += entries.map { ($0.type, $0.attributes ?? [:]) }
            } catch {
                throw ServiceError.invalidAttribute("cache-imports", value: text, reason: "\(error)")
            }
        }
        for name in text("cache-from")?.split(separator: ",") ?? [] {
            caches.append(("registry", ["ref": String(name)]))
        }
        return caches
    }

    /// An entry of `cache-imports`.
    private struct CacheEntry: Decodable {
        let type: String
        let attributes: [String: String]?

        enum CodingKeys: String, CodingKey {
            case type = "Type"
            case attributes = "Attrs"
        }
    }

    // MARK: Requests

    /// What the attributes ask for, with the rest as a request of the same client has it.
    /// - Parameters:
    ///   - base: says what goes for all requests of the build.
    ///   - inputs: graphs that stand for contexts, by their names.
    /// - Returns: the request.
    /// - Throws: `ServiceError` for a value that cannot be understood.
    func request(like base: BuildRequest, inputs: [String: Definition]) throws -> BuildRequest {
        var request = base
        request.context = .offered("context")
        request.namesFrontend = attributes["cmdline"] == nil
        let file = FilePath(bytes: bytes("filename") ?? "Dockerfile")
        request.dockerfile = .offered(bytes("dockerfilekey") ?? "dockerfile", file)
        // Names another attribute, not the directory.
        if let address = bytes(text("contextkey") ?? "context"), BuildRequest.isAddress(address) {
            request.context = .address(address)
            if text("dockerfilekey") == nil { request.dockerfile = .inContext(file) }
        }
        if let input = inputs["context"] { request.context = .graph(input) }
        if let input = inputs["dockerfile"], text("dockerfilekey") == nil { request.dockerfile = .graph(input, file) }
        request.contextSubdirectory = bytes("contextsubdir")
        request.inputs = Dictionary(uniqueKeysWithValues: inputs.map { (Array($0.key.utf8), $0.value) })
        request.directoryKeys = Dictionary(pairs("sharedkey:localdir:").map { ($0.name, $0.value) }) { $1 }
        request.localSessions = Dictionary(pairs("local-sessionid:").map { ($0.name, $0.value) }) { $1 }
        request.inputConfigurations = try inputConfigurations()
        request.namedContexts = pairs("context:")
        request.target = bytes("target")
        request.buildArguments = pairs("build-arg:")
        request.labels = pairs("label:")
        request.platforms = try platforms()
        request.warnsOfFirstPlatformOnly = true
        try setCacheUse(of: &request)
        try setSteps(of: &request)
        return request
    }

    /// The configurations in what is said of inputs: documents of bytes by their names.
    private func inputConfigurations() throws -> [[UInt8]: ImageConfiguration] {
        let prefix = "input-metadata:"
        var configurations: [[UInt8]: ImageConfiguration] = [:]
        for (name, value) in all(prefix) {
            do {
                let known = try JSONDecoder().decode([String: Data].self, from: Data(value.utf8))
                guard let bytes = known[FrontendResult.configurationKey] else { continue }
                configurations[Array(name.utf8)] = try ImageConfiguration(parsingWithoutLayers: [UInt8](bytes))
            } catch {
                throw ServiceError.invalidAttribute(prefix + name, value: value, reason: "\(error)")
            }
        }
        return configurations
    }

    private func platforms() throws(ServiceError) -> [Platform] {
        guard let list = text("platform") else { return [] }
        var platforms: [Platform] = []
        for text in list.split(separator: ",") {
            do throws(OCIError) { platforms.append(try Platform(parsing: String(text)).normalized) } catch {
                throw .invalidAttribute("platform", value: list, reason: "\(error)")
            }
        }
        return platforms
    }

    private func setCacheUse(of request: inout BuildRequest) throws(ServiceError) {
        if let stages = attributes["no-cache"] {
            if stages.isEmpty {
                request.ignoresCache = true
            } else {
                request.uncachedStages = Set(stages.split(separator: ",").map(String.init))
            }
        }
        switch text("image-resolve-mode") {
        case nil, "default": break
        case "local": request.pullsBaseImages = false
        case "pull": request.pullsBaseImages = true
        case let mode?: throw .invalidAttribute("image-resolve-mode", value: mode, reason: "unknown mode")
        }
        if let text = text("multi-platform") {
            guard let value = Self.truth(text) else {
                throw .invalidAttribute("multi-platform", value: text, reason: "not a boolean")
            }
            if !value, request.platforms.count > 1 {
                throw .invalidAttribute("multi-platform", value: text, reason: "there are several platforms")
            }
            request.asksForIndex = value
        }
    }

    private func setSteps(of request: inout BuildRequest) throws(ServiceError) {
        switch text("force-network-mode") {
        case nil, "sandbox": break
        case "none": request.network = .none
        case "host": request.network = .host
        case let mode?: throw .invalidAttribute("force-network-mode", value: mode, reason: "unknown mode")
        }
        request.extraHosts = try fields("add-hosts").map { field throws(ServiceError) in
            guard let equals = field.firstIndex(of: "=") else {
                throw .invalidAttribute("add-hosts", value: escapedForDisplay(field), reason: "not HOST=ADDRESS")
            }
            return (name: Array(field[..<equals]), address: Array(field[(equals + 1)...]))
        }
        request.limits = try fields("ulimit").map { field throws(ServiceError) in
            do throws(LimitTextError) {
                let limit = try LimitText(parsing: String(decoding: field, as: UTF8.self))
                return ResourceLimit(name: Array(limit.name.utf8), soft: limit.soft, hard: limit.hard)
            } catch {
                throw .invalidAttribute("ulimit", value: escapedForDisplay(field), reason: "\(error)")
            }
        }
        request.sharedMemorySize = try number("shm-size", 0...) ?? 0
        request.controlGroupParent = bytes("cgroup-parent") ?? []
        request.hostname = bytes("build-arg:BUILDKIT_SANDBOX_HOSTNAME") ?? bytes("hostname") ?? []
        var resources = Resources()
        resources.memory = try number("memory", 1...) ?? 0
        resources.memoryAndSwap = try number("memswap", (-1)...) ?? 0
        resources.processorShares = UInt64(try number("cpushares", 1...) ?? 0)
        resources.processorPeriod = UInt64(try number("cpuperiod", 1...) ?? 0)
        resources.processorQuota = try number("cpuquota", 1...) ?? 0
        resources.processors = text("cpusetcpus") ?? ""
        resources.memoryNodes = text("cpusetmems") ?? ""
        request.resources = resources
    }

    // MARK: Values

    private func fields(_ name: String) throws(ServiceError) -> [[UInt8]] {
        guard let value = bytes(name) else { return [] }
        do throws(CommaSeparatedError) { return try commaSeparatedFields(value) } catch {
            throw .invalidAttribute(name, value: escapedForDisplay(value), reason: "\(error)")
        }
    }

    private func number(_ name: String, _ range: PartialRangeFrom<Int64>) throws(ServiceError) -> Int64? {
        guard let text = text(name) else { return nil }
        guard let number = Int64(text), range.contains(number) else {
            throw .invalidAttribute(name, value: text, reason: "must be a number of at least \(range.lowerBound)")
        }
        return number
    }

    /// A truth value as Go spells it; nil for none.
    static func truth(_ text: String) -> Bool? {
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": true
        case "0", "f", "F", "false", "FALSE", "False": false
        default: nil
        }
    }
}
