/// A Dockerfile as a tree: stages of instructions, every part with its place in the file.
package struct Dockerfile: Sendable {
    package static let maximumSize = 4 << 20
    /// Of one line as it stands in the file, in bytes.
    package static let maximumLineLength = 1 << 20
    package static let maximumInstructions = 10_000
    /// Of one instruction's arguments.
    package static let maximumWords = 100_000

    package let source: SourceText
    package let directives: [Directive]
    /// A backslash or a backquote.
    package let escape: UInt8
    /// The ARG instructions before the first stage.
    package let globalArguments: [Instruction]
    /// At least one.
    package let stages: [Stage]
    /// The lines at whose continuation an empty line stands.
    package let emptyContinuations: [SourceRange]

    /// Parses a file.
    /// - Parameters:
    ///   - bytes: the content.
    ///   - name: what to call the file in messages.
    /// - Throws: `DockerfileError`, which shows the lines at fault.
    package init(parsing bytes: [UInt8], name: String) throws(DockerfileError) {
        guard !bytes.isEmpty else { throw DockerfileError(.empty) }
        guard bytes.count <= Self.maximumSize else { throw DockerfileError(.fileTooLarge(limit: Self.maximumSize)) }
        var parser = DockerfileParser(source: SourceText(name: name, bytes: bytes))
        try parser.parseFile()
        source = parser.source
        directives = parser.directives
        escape = parser.escape
        emptyContinuations = parser.emptyContinuations
        var globals: [Instruction] = []
        var stages: [Stage] = []
        for instruction in parser.instructions {
            if case .from(let from) = instruction.command {
                stages.append(Stage(index: stages.count, from: from, instruction: instruction, instructions: []))
            } else if stages.isEmpty {
                guard instruction.keyword == .arg else {
                    throw DockerfileError(.instructionBeforeFrom, at: [instruction.range], in: parser.source)
                }
                globals.append(instruction)
            } else {
                stages[stages.count - 1].instructions.append(instruction)
            }
        }
        guard !stages.isEmpty else { throw DockerfileError(.noStages) }
        globalArguments = globals
        self.stages = stages
    }

    /// All instructions in their order.
    package var instructions: [Instruction] { globalArguments + stages.flatMap { [$0.instruction] + $0.instructions } }

    /// The value of a directive.
    package func directive(_ name: Directive.Name) -> Directive? { directives.first { $0.name == name } }
}

/// A stage: FROM and what follows until the next one.
package struct Stage: Sendable, Hashable {
    package let index: Int
    package let from: From
    /// The FROM instruction.
    package let instruction: Instruction
    package fileprivate(set) var instructions: [Instruction]

    package var name: String? { from.stageName }
}

extension Instruction {
    /// Parses a trigger that an image's configuration holds.
    /// - Parameters:
    ///   - expression: the text of ONBUILD.
    ///   - place: where the stage that it fires in begins: its errors and steps are shown there.
    ///   - file: the Dockerfile of that stage.
    ///   - escape: the Dockerfile's escape character.
    /// - Throws: `DockerfileError`.
    package init(
        trigger expression: [UInt8],
        firingAt place: SourceRange,
        of file: SourceText,
        escape: UInt8
    ) throws(DockerfileError) {
        guard expression.count <= Dockerfile.maximumSize else {
            throw DockerfileError(.fileTooLarge(limit: Dockerfile.maximumSize))
        }
        var parser = DockerfileParser(source: SourceText(name: file.name, bytes: expression))
        // Bases are built with a Dockerfile of their own: its escape character is not ours, and is not stored.
        parser.escape = escape
        parser.shownInstead = (file, place)
        try parser.parseFile()
        guard parser.instructions.count == 1, let instruction = parser.instructions.first else {
            throw DockerfileError(.triggerIsNotOneInstruction, at: [place], in: file)
        }
        self = instruction
    }
}
