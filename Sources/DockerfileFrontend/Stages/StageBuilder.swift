import DockerfileSyntax
import LLB
import OCI
internal import Text

/// Carries out the instructions of one stage, one after the other.
struct StageBuilder {
    let translator: Translator
    let index: Int
    /// The build context.
    let context: Output
    var run: Translator.Run
    var state: StageState
    /// The instruction at work.
    private(set) var command: StageNode.Command?
    /// The last CMD, ENTRYPOINT and HEALTHCHECK of this stage.
    private var lastOnes: [Keyword: SourceRange] = [:]
    /// What can be given to this stage.
    var outline = StageOutline()
    /// How many steps have been counted.
    private var stepNumber = 0
    /// How many instructions of the stage have made steps, FROM and triggers apart, and the number of the last one.
    private var slotNumber = 0
    private var rememberedInstruction = 0

    var node: StageNode { translator.graph.nodes[index] }
    var options: BuildOptions { translator.options }

    init(translator: Translator, index: Int, context: Output, run: Translator.Run) {
        self.translator = translator
        self.index = index
        self.context = context
        self.run = run
        state = StageState(scratch: translator.targetPlatform)
        if let stage = node.stage { outline.used = translator.fromVariables[stage.index] ?? [] }
    }

    func failure(_ reason: FrontendError.Reason) -> FrontendError {
        translator.failure(reason, at: command?.instruction.range ?? node.place)
    }

    mutating func build() throws {
        try start()
        for command in node.commands {
            self.command = command
            try carryOut(command)
            guard state.historySize <= StageState.maximumHistory else {
                throw failure(.historyTooLong(limit: StageState.maximumHistory))
            }
        }
        command = nil
    }

    private mutating func start() throws {
        switch node.base {
        case .scratch: state = StageState(scratch: translator.targetPlatform)
        case .stage(let base):
            guard let from = run.states[base] else {
                let label = translator.graph.nodes[base].label
                throw failure(.copyFromLaterStage(label, current: node.label))
            }
            state = StageState(continuing: from)
            if let output = state.output { state.output = try whole(output) }
        case .image: try startFromImage()
        case .tree(let output):
            state = StageState(scratch: translator.targetPlatform)
            // Of what only COPY and mounts read, no more is needed than what they name.
            state.output = node.stage == nil || node.isReplaced ? output : try whole(output)
        case .result(let output, let configuration):
            let stated = configuration.platform.normalized
            let isStated = !stated.os.isEmpty && !stated.architecture.isEmpty
            state = StageState(
                image: configuration,
                output: output,
                platform: isStated ? stated : node.platform ?? translator.targetPlatform
            )
        }
    }

    private mutating func startFromImage() throws {
        guard let image = translator.resolved[index] else {
            throw failure(.blankBaseName(node.baseName.displayText))
        }
        let configuration = image.base.configuration
        let isEmpty =
            configuration.rootFileSystem.diffIDs.isEmpty
            && (configuration.history ?? []).allSatisfy { $0.emptyLayer == true }
        state = StageState(image: configuration, output: nil, platform: image.platform)
        guard !isEmpty else { return }
        let name = image.reference.description + pin(image)
        var description: [String: [UInt8]] = [:]
        if let instruction = node.stage?.instruction { description[Self.commandKey] = instruction.text }
        do throws(LLBError) {
            if let layout = image.layout {
                let title: [UInt8] = "[context " + layout + "] OCI load from client"
                state.output = try Output.layout(
                    name,
                    store: layout,
                    platform: image.platform,
                    metadata: Metadata(name: title, description: description)
                )
            } else {
                let title = self.title("FROM \(name)")
                state.output = try Output.image(
                    name,
                    platform: image.platform,
                    metadata: Metadata(name: title, description: description)
                )
            }
        } catch {
            throw failure(.definition(error))
        }
        remember(state.output)
    }

    /// What an output has as a tree that the stage goes on from: all that a directory has is used then.
    private mutating func whole(_ output: Output) throws(FrontendError) -> Output {
        if Translator.isDirectory(output) { run.directories[output, default: []].insert("/") }
        do throws(LLBError) { return try Translator.tree(output) } catch { throw failure(.definition(error)) }
    }

    /// Notes that a path of a stage's or an image's files is used.
    mutating func use(_ path: [UInt8], of source: Int) {
        guard let output = run.states[source]?.output, Translator.isDirectory(output) else { return }
        run.directories[output, default: []].insert(path)
    }

    private func pin(_ image: Translator.ResolvedImage) -> String {
        guard image.reference.digest == nil, let digest = image.base.digest else { return "" }
        return "@\(digest)"
    }

    static let commandKey = "com.docker.dockerfile.v1.command"

    private mutating func carryOut(_ command: StageNode.Command) throws {
        checkRepetition(of: command.instruction)
        switch command.instruction.command {
        case .from, .onbuild:
            if case .onbuild(let trigger) = command.instruction.command { addTrigger(trigger) }
        case .run(let run): try self.run(run, command)
        case .copy(let transfer): try copy(transfer, command, isAdd: false)
        case .add(let transfer): try copy(transfer, command, isAdd: true)
        case .workdir(let word): try workdir(word)
        case .env(let pairs): try setEnvironment(pairs)
        case .arg(let definitions): try declare(definitions)
        case .label(let pairs): try label(pairs)
        case .cmd(let line): try setCommand(line)
        case .entrypoint(let line): try setEntrypoint(line)
        case .healthcheck(let check): setHealthcheck(check)
        case .expose(let words): try expose(words)
        case .volume(let words): try addVolumes(words)
        case .user(let word): try setUser(word)
        case .stopsignal(let word): try setStopSignal(word)
        case .shell(let words): setShell(words)
        case .maintainer(let word): setMaintainer(word)
        }
    }

    // MARK: expansion

    /// Replaces variables by what they were before the instruction.
    mutating func expand(_ word: [UInt8]) throws(FrontendError) -> [UInt8] {
        try expand(word, translator.expander, state.variables).text
    }

    mutating func expand(
        _ word: [UInt8],
        _ expander: WordExpander,
        _ variables: Variables
    ) throws(FrontendError) -> WordExpander.Result {
        do throws(ExpansionError) {
            let result = try expander.expand(word, with: variables)
            reportUndefined(result.unmatched, variables)
            return result
        } catch {
            throw failure(.expansion(error))
        }
    }

    private mutating func reportUndefined(_ names: Set<[UInt8]>, _ variables: Variables) {
        guard !names.isEmpty, !translator.findings.isFull else { return }
        let unknown = names.subtracting(state.arguments.map(\.name)).filter { !isOnlyForBuilder($0) }
        for name in unknown.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let text = name.displayText
            let meant = translator.findings.suggestion(for: text, among: variables.names.map(\.displayText))
            report(
                .undefinedVar,
                "Usage of undefined variable '$\(text)'" + (meant.map { " (did you mean $\($0)?)" } ?? "")
            )
        }
    }

    /// Reports a finding about the instruction at work.
    func report(_ rule: LintRule, _ message: String, at range: SourceRange? = nil) {
        guard let instruction = command?.instruction else { return }
        translator.findings.report(rule, message, at: range ?? instruction.range, comments: instruction.comments)
    }

    /// The instruction's name as it was written, as BuildKit's findings show it.
    var writtenName: String { command?.instruction.keywordText.displayText ?? "" }

    private mutating func checkRepetition(of instruction: Instruction) {
        guard [.cmd, .entrypoint, .healthcheck].contains(instruction.keyword) else { return }
        guard let previous = lastOnes.updateValue(instruction.range, forKey: instruction.keyword) else { return }
        // The one that will not be used is the one to show.
        report(
            .multipleInstructionsDisallowed,
            "Multiple \(writtenName) instructions should not be used in the same stage because only the last one will be used",
            at: previous
        )
    }

    // MARK: titles and origins

    /// The title of a step as BuildKit shows it: `[stage 2/5] RUN …`.
    mutating func title(_ text: [UInt8]) -> [UInt8] {
        let total = node.stepCount
        guard total > 0 else { return text }
        stepNumber += 1
        var title = "["
        if options.isMultiPlatform { title += "\(state.platform)" + crossTarget + " " }
        if !node.label.isEmpty { title += node.label + " " }
        let number = String(stepNumber)
        let width = String(total).count
        title += String(repeating: " ", count: max(0, width - number.count)) + "\(number)/\(total)] "
        if command?.trigger != nil { title += "ONBUILD " }
        return Array(title.utf8) + text
    }

    /// Restores the previous title, for a second node of one step.
    mutating func repeatTitleNumber() { stepNumber -= 1 }

    /// `->arm64` where the stage's arguments say that it builds for another platform.
    private var crossTarget: String {
        guard let text = state.variables["TARGETPLATFORM"],
            let target = (try? Platform(parsing: text.displayText))?.normalized
        else { return "" }
        guard target.os == state.platform.os else { return "->\(target)" }
        guard target.architecture != state.platform.architecture else { return "" }
        return "->\(target.architecture)" + (target.variant.map { "/\($0)" } ?? "")
    }

    /// The instruction's text as a title: the keyword in capitals, variables replaced where that is possible.
    func titleText(_ text: [UInt8], _ expander: WordExpander, _ variables: Variables? = nil) -> [UInt8] {
        let shown = (try? expander.expand(text, with: variables ?? state.variables).text) ?? text
        let end = shown.firstIndex(of: 0x20) ?? shown.count
        return shown[..<end].asciiUppercased + shown[end...]
    }

    /// Notes where a node comes from.
    mutating func remember(_ output: Output?) {
        guard let output, let stage = node.stage else { return }
        let instruction = command?.instruction ?? stage.instruction
        let number = command?.number ?? 0
        let name = stage.name ?? "\(stage.index)"
        let digest = output.node.digest
        run.places[digest, default: []].append(instruction.range)
        // Counted in steps: what only changes the configuration may come and go between them.
        if command?.trigger == nil, number != rememberedInstruction {
            rememberedInstruction = number
            slotNumber += 1
        }
        guard run.steps[digest] == nil else { return }
        run.steps[digest] = PlannedStep(
            slot: "\(name)/" + (command?.trigger.map { "onbuild\($0)" } ?? "\(slotNumber)"),
            file: translator.dockerfile.source.name,
            stage: name,
            instruction: number,
            range: instruction.range,
            text: instruction.text
        )
    }

    /// Notes which line a node stands for that is a part of another one's step.
    mutating func place(_ output: Output) {
        guard let instruction = command?.instruction else { return }
        run.places[output.node.digest, default: []].append(instruction.range)
    }

    /// Whether the steps of this stage run although the cache knows their results.
    var ignoresCache: Bool { translator.bypassesCache(index) }

    /// Adds a node on the tree so far.
    mutating func change(_ changes: [FileChange], metadata: Metadata) throws(FrontendError) {
        do throws(LLBError) {
            state.output = try Output.file(on: state.output, changes, platform: state.platform, metadata: metadata)
        } catch {
            throw failure(.definition(error))
        }
        remember(state.output)
    }
}
