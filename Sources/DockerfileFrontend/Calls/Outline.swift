package import DockerfileSyntax
internal import Text

/// What a target can be given: the arguments, secrets and agents that it and the stages it needs ask for.
package struct Outline: Sendable {
    /// An ARG that may be set.
    package struct Argument: Sendable, Hashable {
        package let name: [UInt8]
        package let value: [UInt8]
        package let documentation: [UInt8]
        package let range: SourceRange
    }

    /// A secret or an agent that a RUN mounts.
    package struct Need: Sendable, Hashable {
        package let name: [UInt8]
        package let isRequired: Bool
        package let range: SourceRange
    }

    /// The target's name; empty where it has none.
    package let name: String
    /// The comment above the target that begins with its name.
    package let documentation: [UInt8]
    package fileprivate(set) var arguments: [Argument] = []
    package fileprivate(set) var secrets: [Need] = []
    package fileprivate(set) var agents: [Need] = []
    package let source: SourceText
}

/// What one stage can be given.
struct StageOutline {
    /// Its own ARG instructions, the later of a name in place of the earlier.
    var arguments: [[UInt8]: Outline.Argument] = [:]
    /// The names that its instructions use, also those declared before the first stage.
    var used: Set<[UInt8]> = []
    var secrets: [[UInt8]: Outline.Need] = [:]
    var agents: [[UInt8]: Outline.Need] = [:]
}

/// An ARG before the first stage, and the others that its default uses.
struct GlobalArgument {
    let argument: Outline.Argument
    let uses: Set<[UInt8]>
}

extension Translator {
    /// Puts together what the stages that a target needs can be given.
    func outline(of target: Int, _ stages: [Int: StageOutline]) -> Outline {
        let from = graph.nodes[target].stage?.from
        var outline = Outline(
            name: from?.stageName ?? "",
            documentation: from?.documentation ?? [],
            source: dockerfile.source
        )
        var arguments: [[UInt8]: Outline.Argument] = [:]
        var secrets: [[UInt8]: Outline.Need] = [:]
        var agents: [[UInt8]: Outline.Need] = [:]
        // What a stage says goes before what its base says, and that before what the stages say that it copies from.
        var open = [target]
        var seen: Set<Int> = []
        while let index = open.popLast() {
            guard seen.insert(index).inserted else { continue }
            if let stage = stages[index] {
                arguments.merge(self.arguments(of: stage)) { first, _ in first }
                secrets.merge(stage.secrets) { first, _ in first }
                agents.merge(stage.agents) { first, _ in first }
            }
            open += graph.nodes[index].commands.flatMap(\.sources).reversed()
            if case .stage(let base) = graph.nodes[index].base { open.append(base) }
        }
        outline.arguments = arguments.values.sorted {
            ($0.range.start, $0.name.displayText) < ($1.range.start, $1.name.displayText)
        }
        func sorted(_ needs: [[UInt8]: Outline.Need]) -> [Outline.Need] {
            needs.values.sorted { ($0.range.start, $0.name.displayText) < ($1.range.start, $1.name.displayText) }
        }
        outline.secrets = sorted(secrets)
        outline.agents = sorted(agents)
        return outline
    }

    private func arguments(of stage: StageOutline) -> [[UInt8]: Outline.Argument] {
        var found: [[UInt8]: Outline.Argument] = [:]
        var open = Array(stage.used)
        var seen: Set<[UInt8]> = []
        while let name = open.popLast() {
            guard seen.insert(name).inserted else { continue }
            if let own = stage.arguments[name] {
                found[name] = own
            } else if let global = globalDefinitions[name] {
                found[name] = global.argument
                open += global.uses
            }
        }
        return found
    }
}
