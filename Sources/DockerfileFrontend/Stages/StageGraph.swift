import DockerfileSyntax
import LLB
import OCI
internal import Text

/// One vertex of the graph of stages: a stage of the file, or an image that only COPY or a mount refers to.
struct StageNode {
    enum Base {
        case stage(Int)
        case scratch
        /// Of a registry or the local store, or of the layout directory of that name.
        case image(ImageReference, layout: [UInt8]?)
        /// Files that the request names.
        case tree(Output)
        /// The image of another build.
        case result(Output?, ImageConfiguration)
    }

    /// An instruction to carry out, with the stages that it reads.
    struct Command {
        let instruction: Instruction
        /// Of `COPY --from`.
        let copySource: Int?
        /// One for each mount; nil where a mount shows the build context or nothing.
        let mountSources: [Int?]
        /// The number in the stage; FROM is 0.
        let number: Int
        /// The number of the trigger, from 1, where the instruction comes from the base.
        let trigger: Int?

        var sources: [Int] { ([copySource] + mountSources).compactMap(\.self) }
    }

    /// Nil for an image that is not the base of a stage.
    let stage: Stage?
    /// As titles and messages call it.
    var label: String
    /// The base as it stands in the file, variables expanded.
    let baseName: [UInt8]
    var base: Base
    /// `--platform`.
    let platform: Platform?
    let place: SourceRange
    var commands: [Command] = []
    /// How many steps the display counts.
    var stepCount = 0
    /// Whether the request puts something else in its place; its instructions then do not count.
    var isReplaced = false
    /// Whether the triggers of the base have been taken in.
    var hasTriggers = false
}

/// The stages of a file and what they refer to.
struct StageGraph {
    let dockerfile: Dockerfile
    private(set) var nodes: [StageNode] = []
    /// The nodes of images that are no stage's base, by the name in the file.
    private var images: [[UInt8]: Int] = [:]
    /// The last stage of each name.
    private var names: [String: Int] = [:]
    /// Whether stages need names in titles to be told apart.
    private(set) var hasSeveralNodes = false

    private let contexts: NamedContexts
    private let targetPlatform: Platform

    init(dockerfile: Dockerfile, contexts: NamedContexts, targetPlatform: Platform) {
        self.dockerfile = dockerfile
        self.contexts = contexts
        self.targetPlatform = targetPlatform
    }

    /// The names that a misspelt one may have meant.
    var stageNames: [String] { dockerfile.stages.compactMap(\.name) }

    var stageCount: Int { dockerfile.stages.count }

    func index(named name: [UInt8]) -> Int? { names[name.asciiLowercased.displayText] }

    private func failure(_ reason: FrontendError.Reason, at range: SourceRange) -> FrontendError {
        FrontendError(reason, at: [range], in: dockerfile.source)
    }

    /// Adds a stage with its base name and platform expanded.
    mutating func addStage(_ stage: Stage, baseName: [UInt8], platform: Platform?) throws(FrontendError) {
        let given = stage.name.flatMap { self.replacement(of: Array($0.utf8), platform) }
        let base =
            if let given { given } else { try self.base(named: baseName, platform, at: stage.instruction.range) }
        var node = StageNode(
            stage: stage,
            label: stage.name ?? "stage-\(stage.index)",
            baseName: baseName,
            base: base,
            platform: platform,
            place: stage.instruction.range
        )
        node.isReplaced = given != nil
        if case .image = base { node.stepCount = 1 }
        if !node.isReplaced {
            node.stepCount += stage.instructions.count { [.add, .copy, .run, .workdir].contains($0.keyword) }
        }
        nodes.append(node)
        if let name = stage.name { names[name] = nodes.count - 1 }
    }

    /// What the request puts in the place of a stage or an image.
    private func replacement(of name: [UInt8], _ platform: Platform?) -> StageNode.Base? {
        switch contexts.context(named: name.displayText, for: platform ?? targetPlatform) {
        case .tree(let output)?: .tree(output)
        case .result(let output, let configuration)?: .result(output, configuration)
        case .scratch?: .scratch
        case .image(let reference)?: .image(reference, layout: nil)
        case .layout(let reference, let store)?: .image(reference, layout: store)
        case nil: nil
        }
    }

    private func base(
        named name: [UInt8],
        _ platform: Platform? = nil,
        at range: SourceRange
    ) throws(FrontendError) -> StageNode.Base {
        // BuildKit compares the base with the lower-case names of earlier stages as it stands.
        if let index = names[name.displayText] { return .stage(index) }
        if let given = replacement(of: name, platform) { return given }
        if name == "scratch" { return .scratch }
        do throws(OCIError) {
            return .image(try ImageReference(parsing: name.displayText).withDefaultTag, layout: nil)
        } catch {
            throw failure(.invalidBaseName(name.displayText, error), at: range)
        }
    }

    /// Finds out what every instruction reads, once all stages are known.
    mutating func connect() throws(FrontendError) {
        for index in 0..<stageCount {
            guard let stage = nodes[index].stage, !nodes[index].isReplaced else { continue }
            var commands: [StageNode.Command] = []
            for (number, instruction) in stage.instructions.enumerated() {
                commands.append(try command(instruction, number: number + 1, trigger: nil))
            }
            nodes[index].commands = commands
        }
        try checkForCircles()
        // BuildKit numbers a mount without a source among the stages, so that titles then name the stage.
        let hasBareMount = dockerfile.instructions.contains { instruction in
            guard case .run(let run) = instruction.command else { return false }
            return run.mounts.contains { $0.from == nil }
        }
        hasSeveralNodes = nodes.count > 1 || hasBareMount
        if !hasSeveralNodes { nodes[0].label = "" }
    }

    private mutating func command(
        _ instruction: Instruction,
        number: Int,
        trigger: Int?
    ) throws(FrontendError) -> StageNode.Command {
        var copySource: Int?
        var mountSources: [Int?] = []
        switch instruction.command {
        case .copy(let transfer):
            if let from = transfer.from { copySource = try source(of: from.bytes, in: instruction) }
        case .run(let run):
            for mount in run.mounts {
                guard let from = mount.from else {
                    mountSources.append(nil)
                    continue
                }
                mountSources.append(try stageOrImage(from, at: instruction.range))
            }
        default: break
        }
        return StageNode.Command(
            instruction: instruction,
            copySource: copySource,
            mountSources: mountSources,
            number: number,
            trigger: trigger
        )
    }

    private mutating func source(of from: [UInt8], in instruction: Instruction) throws(FrontendError) -> Int {
        let expanded: [UInt8]
        do throws(ExpansionError) {
            expanded = try WordExpander(escape: dockerfile.escape).expand(from, with: Variables()).text
        } catch {
            throw failure(.expansion(error), at: instruction.range)
        }
        guard expanded == from else { throw failure(.expandedFrom, at: instruction.range) }
        if let number = Int(from.displayText) {
            guard nodes.indices.contains(number), nodes[number].stage != nil else {
                throw failure(.invalidStageIndex(number), at: instruction.range)
            }
            return number
        }
        return try stageOrImage(from, at: instruction.range)
    }

    private mutating func stageOrImage(_ name: [UInt8], at range: SourceRange) throws(FrontendError) -> Int {
        if let index = index(named: name) { return index }
        return try addImage(name, at: range)
    }

    /// A node for an image that no stage is based on; one node per image.
    private mutating func addImage(_ name: [UInt8], at range: SourceRange) throws(FrontendError) -> Int {
        if let index = images[name] { return index }
        let base: StageNode.Base = name == "scratch" ? .scratch : try self.base(named: name, at: range)
        nodes.append(
            StageNode(stage: nil, label: "", baseName: name, base: base, platform: nil, place: range)
        )
        images[name] = nodes.count - 1
        return nodes.count - 1
    }

    /// Puts triggers of a base in front of a stage's own instructions.
    /// - Returns: whether they refer to anything that may have to be resolved first.
    mutating func addTriggers(_ expressions: [[UInt8]], to index: Int) throws -> Bool {
        let place = nodes[index].place
        var commands: [StageNode.Command] = []
        for (number, expression) in expressions.enumerated() {
            let instruction = try Instruction(
                trigger: expression,
                firingAt: place,
                of: dockerfile.source,
                escape: "\\"
            )
            commands.append(try command(instruction, number: 0, trigger: number + 1))
        }
        nodes[index].commands = commands + nodes[index].commands
        nodes[index].stepCount += commands.count
        nodes[index].hasTriggers = true
        return commands.contains { !$0.sources.isEmpty }
    }

    /// The triggers that the stages above leave to the stages built on them.
    func triggers(ofStage index: Int) -> [[UInt8]] {
        nodes[index].commands.compactMap { command in
            guard case .onbuild(let trigger) = command.instruction.command else { return nil }
            return trigger.expression
        }
    }

    mutating func markTriggersTaken(of index: Int) { nodes[index].hasTriggers = true }

    /// The stages and images that a stage needs, and itself.
    func reachable(from target: Int) -> Set<Int> {
        var found: Set<Int> = [target]
        var open = [target]
        while let index = open.popLast() {
            var next = nodes[index].commands.flatMap(\.sources)
            if case .stage(let base) = nodes[index].base { next.append(base) }
            for index in next where found.insert(index).inserted { open.append(index) }
        }
        return found
    }

    /// The stage that a build is asked for.
    func target(_ name: String?) throws(FrontendError) -> Int {
        guard let name, !name.isEmpty else { return stageCount - 1 }
        if let index = index(named: Array(name.utf8)) { return index }
        if let number = Int(name), (0..<stageCount).contains(number) { return number }
        throw FrontendError(
            .unknownTarget(name, didYouMean: suggestion(for: name, among: stageNames)),
            at: [],
            in: dockerfile.source
        )
    }

    /// Looks for stages that copy from each other.
    private func checkForCircles() throws(FrontendError) {
        enum Mark { case open, done }
        var marks = [Mark?](repeating: nil, count: nodes.count)
        for start in nodes.indices where marks[start] == nil {
            var path: [(node: Int, edges: [(Int, SourceRange)], next: Int)] = []
            func enter(_ index: Int) {
                marks[index] = .open
                let edges = nodes[index].commands.flatMap { command in
                    command.sources.map { ($0, command.instruction.range) }
                }
                path.append((index, edges, 0))
            }
            enter(start)
            while let top = path.last {
                guard top.next < top.edges.count else {
                    marks[top.node] = .done
                    path.removeLast()
                    continue
                }
                path[path.count - 1].next += 1
                let (neighbour, range) = top.edges[top.next]
                switch marks[neighbour] {
                case nil: enter(neighbour)
                case .done: break
                case .open:
                    let label = nodes[neighbour].label
                    throw failure(.circularDependency(stage: label), at: range)
                }
            }
        }
    }
}
