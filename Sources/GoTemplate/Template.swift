/// A template in the language of Go's text/template, as far as Docker's users write it: fields, pipelines, `if`, `range`,
/// `with`, variables and functions; not `define`, `template` and `block`.
package struct Template: Sendable {
    private let nodes: [TemplateNode]
    private let source: [UInt8]
    private let name: String

    /// - Throws: `TemplateError.syntax`.
    package init(_ text: String, name: String = "") throws(TemplateError) {
        source = Array(text.utf8)
        self.name = name
        var parser = try TemplateParser(source, name: name)
        nodes = try parser.parse()
    }

    /// The text that the template makes of a value.
    /// - Throws: `TemplateError.execution`.
    package func render(_ value: TemplateValue) throws(TemplateError) -> String {
        var evaluator = TemplateEvaluator(source: source, name: name, root: value)
        return try evaluator.render(nodes)
    }

    /// The fields that the template names directly, as `.Size`, to know what must be computed; nil where it may show all.
    package var fieldNames: Set<String>? {
        var names: Set<String> = []
        var mayShowAll = false
        func visit(_ pipeline: TemplatePipeline) {
            for operand in pipeline.commands.flatMap(\.operands) {
                switch operand.kind {
                case .field: if let first = operand.fields.first { names.insert(first) }
                case .pipeline(let inner): visit(inner)
                case .dot, .variable: mayShowAll = true
                case .null, .literal, .function: break
                }
            }
        }
        func visit(_ nodes: [TemplateNode]) {
            for node in nodes {
                switch node {
                case .text, .leaveLoop, .nextIteration: break
                case .action(let pipeline): visit(pipeline)
                case .condition(let pipeline, let then, let otherwise), .with(let pipeline, let then, let otherwise),
                    .range(let pipeline, let then, let otherwise):
                    visit(pipeline)
                    visit(then)
                    visit(otherwise)
                }
            }
        }
        visit(nodes)
        return mayShowAll ? nil : names
    }
}
