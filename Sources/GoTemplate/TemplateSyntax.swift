/// Why a template could not be understood or run.
package enum TemplateError: Error, Hashable, CustomStringConvertible {
    case syntax(template: String, line: Int, reason: String)
    case execution(template: String, line: Int, column: Int, place: String, reason: String)

    package var description: String {
        switch self {
        case .syntax(let template, let line, let reason):
            "template parsing error: template: \(template):\(line): \(reason)"
        case .execution(let template, let line, let column, let place, let reason):
            "template parsing error: template: \(template):\(line):\(column): executing \"\(template)\" at <\(place)>: \(reason)"
        }
    }
}

/// The parts of a template, each with its offset in the source.
indirect enum TemplateNode: Sendable {
    case text(String)
    case action(TemplatePipeline)
    case condition(TemplatePipeline, then: [TemplateNode], otherwise: [TemplateNode])
    case with(TemplatePipeline, then: [TemplateNode], otherwise: [TemplateNode])
    case range(TemplatePipeline, body: [TemplateNode], otherwise: [TemplateNode])
    case leaveLoop
    case nextIteration
}

/// `$x := .A | upper`.
struct TemplatePipeline: Sendable {
    var declared: [String] = []
    var isAssignment = false
    var commands: [TemplateCommand] = []

    var source: String {
        let names = declared.map { "$\($0)" }.joined(separator: ", ")
        let prefix = declared.isEmpty ? "" : names + (isAssignment ? " = " : " := ")
        return prefix + commands.map(\.source).joined(separator: " | ")
    }
}

/// A function or field with its arguments.
struct TemplateCommand: Sendable {
    var operands: [TemplateOperand]

    var position: Int { operands.first?.position ?? 0 }
    var source: String { operands.map(\.source).joined(separator: " ") }
}

/// One word of a command.
struct TemplateOperand: Sendable {
    indirect enum Kind: Sendable {
        case dot
        case null
        case literal(TemplateValue)
        case field
        case variable(String)
        case function(String)
        case pipeline(TemplatePipeline)
    }

    var kind: Kind
    /// `.A.B` after whatever `kind` gives.
    var fields: [String] = []
    var position: Int
    /// A literal as it was written.
    var written = ""

    var source: String {
        let chain = fields.map { ".\($0)" }.joined()
        return switch kind {
        case .dot: "."
        case .null: "nil"
        case .literal: written
        case .field: chain
        case .variable(let name): "$\(name)\(chain)"
        case .function(let name): name
        case .pipeline(let pipeline): "(\(pipeline.source))\(chain)"
        }
    }
}
