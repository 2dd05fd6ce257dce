import DockerfileSyntax
package import LLB
internal import Text

/// What is to be looked through, besides the result, for what software is in it.
package struct ScanTargets: Sendable, Hashable {
    /// By the names of stages; the build context is `context`.
    package var extras: [String: Output] = [:]
    /// Whether a scan runs although the cache knows its result.
    package var ignoresCache = false

    package init() {}
}

extension Translator {
    private static let contextName: [UInt8] = "BUILDKIT_SBOM_SCAN_CONTEXT"
    private static let stageName: [UInt8] = "BUILDKIT_SBOM_SCAN_STAGE"

    /// Whether an argument asks for a scan in a stage: a truth value, or a list of stages.
    private func isAsked(_ name: [UInt8], in index: Int, _ run: Run) -> Bool {
        var value = globalArguments[name]
        for argument in run.states[index]?.arguments ?? [] where argument.name == name {
            value = argument.value ?? value
        }
        guard let text = value?.displayText else { return false }
        return parsedBoolean(text) ?? text.split(separator: ",").contains { $0 == graph.nodes[index].label }
    }

    /// Whether the context is to be scanned.
    func scansContext(_ target: Int, _ run: Run) -> Bool { isAsked(Self.contextName, in: target, run) }

    /// What is to be scanned besides the target.
    func scanTargets(_ target: Int, _ reachable: Set<Int>, _ run: Run, context: Output) -> ScanTargets {
        var targets = ScanTargets()
        targets.ignoresCache = bypassesCache(target)
        if scansContext(target, run) { targets.extras["context"] = context }
        for index in reachable where index != target && graph.nodes[index].stage != nil {
            guard isAsked(Self.stageName, in: index, run), let output = run.states[index]?.output else { continue }
            targets.extras[graph.nodes[index].label] = output
            if bypassesCache(index) { targets.ignoresCache = true }
        }
        return targets
    }

    /// Whether the steps of a stage run although the cache knows their results.
    func bypassesCache(_ index: Int) -> Bool {
        switch options.cacheBypass {
        case .nowhere: false
        case .everywhere: true
        case .stages(let names):
            graph.nodes[index].stage?.name.map { name in names.contains { $0.lowercased() == name } } ?? false
        }
    }
}
