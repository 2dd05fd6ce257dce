import Text

/// Builds the tree of a template from its words.
struct TemplateParser {
    private let tokens: [TemplateToken]
    private let source: [UInt8]
    private let name: String
    private var index = 0
    private var variables: [String] = [""]
    private var loops = 0

    private static let keywords: Set<String> = [
        "if", "else", "end", "range", "with", "break", "continue", "define", "template", "block",
    ]

    init(_ source: [UInt8], name: String) throws(TemplateError) {
        var lexer = TemplateLexer(source, name: name)
        tokens = try lexer.tokenize()
        self.source = source
        self.name = name
    }

    /// Why a list of nodes ended.
    private enum Ending { case source, end, otherwise }

    mutating func parse() throws(TemplateError) -> [TemplateNode] {
        let (nodes, ending) = try list()
        switch ending {
        case .source: return nodes
        case .end: throw failure("unexpected {{end}}")
        case .otherwise: throw failure("unexpected {{else}}")
        }
    }

    private mutating func list() throws(TemplateError) -> ([TemplateNode], Ending) {
        var nodes: [TemplateNode] = []
        while true {
            let token = next()
            switch token.kind {
            case .end: return (nodes, .source)
            case .text(let text): nodes.append(.text(text))
            default:
                skipSpace()
                guard case .identifier(let word) = peek.kind, Self.keywords.contains(word) else {
                    nodes.append(.action(try pipeline("command")))
                    try close("command")
                    continue
                }
                index += 1
                switch word {
                case "end":
                    try close("end")
                    return (nodes, .end)
                case "else": return (nodes, .otherwise)
                default: nodes.append(try control(word))
                }
            }
        }
    }

    private mutating func control(_ word: String) throws(TemplateError) -> TemplateNode {
        switch word {
        case "if", "with", "range":
            let scope = variables.count
            defer { variables.removeSubrange(scope...) }
            let pipeline = try pipeline(word)
            try close(word)
            if word == "range" { loops += 1 }
            var (body, ending) = try list()
            if word == "range" { loops -= 1 }
            var otherwise: [TemplateNode] = []
            if ending == .otherwise { (otherwise, ending) = try alternative(of: word) }
            guard ending == .end else { throw failure("unexpected EOF") }
            return switch word {
            case "if": .condition(pipeline, then: body, otherwise: otherwise)
            case "with": .with(pipeline, then: body, otherwise: otherwise)
            default: .range(pipeline, body: body, otherwise: otherwise)
            }
        case "break", "continue":
            guard loops > 0 else { throw failure("{{\(word)}} outside {{range}}") }
            try close(word)
            return word == "break" ? .leaveLoop : .nextIteration
        default:
            throw failure("{{\(word)}} is not supported: write the text in place")
        }
    }

    /// What follows `{{else`: `}}`, or another `if` or `with`.
    private mutating func alternative(of word: String) throws(TemplateError) -> ([TemplateNode], Ending) {
        skipSpace()
        if case .identifier(let nested) = peek.kind, nested == word, word != "range" {
            index += 1
            // The nested one takes the `{{end}}` of both.
            return ([try control(nested)], .end)
        }
        try close("else")
        let (nodes, ending) = try list()
        if ending == .otherwise { throw failure("expected end; found {{else}}") }
        return (nodes, ending)
    }

    private mutating func pipeline(_ context: String) throws(TemplateError) -> TemplatePipeline {
        var pipeline = TemplatePipeline()
        skipSpace()
        try declarations(&pipeline, context)
        while true {
            skipSpace()
            switch peek.kind {
            case .close, .rightParenthesis:
                guard !pipeline.commands.isEmpty else { throw failure("missing value for \(context)") }
                return pipeline
            default:
                let command = try command()
                if !pipeline.commands.isEmpty, let first = command.operands.first {
                    switch first.kind {
                    case .function, .field, .variable, .pipeline: break
                    case .dot, .null, .literal:
                        throw failure("non executable command in pipeline stage \(pipeline.commands.count + 1)")
                    }
                }
                pipeline.commands.append(command)
            }
        }
    }

    /// `$x :=`, `$x =` or, in a range, `$i, $x :=`.
    private mutating func declarations(_ pipeline: inout TemplatePipeline, _ context: String) throws(TemplateError) {
        let start = index
        var names: [String] = []
        while case .variable(let name) = peek.kind {
            index += 1
            skipSpace()
            names.append(name)
            switch peek.kind {
            case .declare:
                index += 1
                pipeline.declared = names
                variables += names
                return
            case .assign:
                for name in names where !variables.contains(name) { throw failure("undefined variable \"$\(name)\"") }
                index += 1
                pipeline.declared = names
                pipeline.isAssignment = true
                return
            case .comma where context == "range" && names.count == 1:
                index += 1
                skipSpace()
            default:
                index = start
                return
            }
        }
        index = start
    }

    private mutating func command() throws(TemplateError) -> TemplateCommand {
        var operands: [TemplateOperand] = []
        while true {
            skipSpace()
            switch peek.kind {
            case .close, .rightParenthesis:
                guard !operands.isEmpty else { throw failure("empty command") }
                return TemplateCommand(operands: operands)
            case .pipe:
                guard !operands.isEmpty else { throw failure("unexpected \"|\" in command") }
                index += 1
                return TemplateCommand(operands: operands)
            default: operands.append(try operand())
            }
        }
    }

    private mutating func operand() throws(TemplateError) -> TemplateOperand {
        let token = next()
        var operand = TemplateOperand(kind: .dot, position: token.position, written: token.written)
        switch token.kind {
        case .dot: operand.kind = .dot
        case .field(let field):
            operand.kind = .field
            operand.fields = [field]
        case .variable(let name):
            guard variables.contains(name) else { throw failure("undefined variable \"$\(name)\"") }
            operand.kind = .variable(name)
        case .string(let text): operand.kind = .literal(.text(text))
        case .character(let code): operand.kind = .literal(.integer(code))
        case .number(let written): operand.kind = .literal(TemplateNumbers.value(written) ?? .integer(0))
        case .leftParenthesis:
            operand.kind = .pipeline(try pipeline("parenthesized pipeline"))
            index += 1
        case .identifier("nil"): operand.kind = .null
        case .identifier("true"): operand.kind = .literal(.boolean(true))
        case .identifier("false"): operand.kind = .literal(.boolean(false))
        case .identifier(let name):
            guard TemplateFunctions.names.contains(name) else { throw failure("function \"\(name)\" not defined") }
            operand.kind = .function(name)
        case .comma: throw failure("unexpected \",\" in operand")
        case .assign: throw failure("unexpected \"=\" in operand")
        case .declare: throw failure("unexpected \":=\" in operand")
        case .text, .open, .close, .space, .pipe, .rightParenthesis, .end:
            throw failure("unexpected \(token.written) in operand")
        }
        while case .field(let field) = peek.kind {
            // Go places a chain at its second field.
            if case .field = operand.kind, operand.fields.count == 1 { operand.position = peek.position }
            operand.fields.append(field)
            index += 1
        }
        return operand
    }

    private mutating func close(_ context: String) throws(TemplateError) {
        skipSpace()
        guard case .close = peek.kind else {
            if case .end = peek.kind { throw failure("unexpected EOF") }
            throw failure("unexpected \"\(peek.written)\" in \(context)")
        }
        index += 1
    }

    private var peek: TemplateToken { tokens[min(index, tokens.count - 1)] }

    private mutating func next() -> TemplateToken {
        defer { index += 1 }
        return peek
    }

    private mutating func skipSpace() {
        while peek.kind == .space { index += 1 }
    }

    private func failure(_ reason: String) -> TemplateError {
        let position = tokens[min(index, tokens.count - 1)].position
        let line = 1 + source[..<min(position, source.count)].count { $0 == "\n" }
        return .syntax(template: name, line: line, reason: reason)
    }
}
