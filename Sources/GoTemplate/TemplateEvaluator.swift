import Text

/// Runs the tree of a template on a value.
struct TemplateEvaluator {
    private let source: [UInt8]
    private let name: String
    private var dot: TemplateValue
    private var variables: [(name: String, value: TemplateValue)]
    private var output = ""

    /// What a node asks of the loop around it.
    private enum Flow { case onward, leave, nextIteration }

    init(source: [UInt8], name: String, root: TemplateValue) {
        self.source = source
        self.name = name
        dot = root
        variables = [("", root)]
    }

    mutating func render(_ nodes: [TemplateNode]) throws(TemplateError) -> String {
        _ = try run(nodes)
        return output
    }

    private mutating func run(_ nodes: [TemplateNode]) throws(TemplateError) -> Flow {
        let scope = variables.count
        defer { variables.removeSubrange(scope...) }
        for node in nodes {
            let flow: Flow
            switch node {
            case .text(let text):
                output += text
                flow = .onward
            case .action(let pipeline):
                let value = try evaluate(pipeline)
                if pipeline.declared.isEmpty { output += value.printed }
                flow = .onward
            case .condition(let pipeline, let then, let otherwise):
                let outer = variables.count
                let value = try evaluate(pipeline)
                flow = try run(value.isTrue ? then : otherwise)
                variables.removeSubrange(outer...)
            case .with(let pipeline, let then, let otherwise):
                let outer = variables.count
                let value = try evaluate(pipeline)
                flow = value.isTrue ? try run(then, on: value) : try run(otherwise)
                variables.removeSubrange(outer...)
            case .range(let pipeline, let body, let otherwise):
                flow = try loop(pipeline, body, otherwise)
            case .leaveLoop: flow = .leave
            case .nextIteration: flow = .nextIteration
            }
            if flow != .onward { return flow }
        }
        return .onward
    }

    private mutating func run(_ nodes: [TemplateNode], on value: TemplateValue) throws(TemplateError) -> Flow {
        let outer = dot
        dot = value
        defer { dot = outer }
        return try run(nodes)
    }

    private mutating func loop(
        _ pipeline: TemplatePipeline,
        _ body: [TemplateNode],
        _ otherwise: [TemplateNode]
    ) throws(TemplateError) -> Flow {
        let outer = variables.count
        defer { variables.removeSubrange(outer...) }
        var plain = pipeline
        plain.declared = []
        let value = try evaluate(plain)
        let items = try elements(of: value, at: pipeline)
        if items.isEmpty { return try run(otherwise) }
        for item in items {
            variables.removeSubrange(outer...)
            if pipeline.declared.count == 1 { declare(pipeline, pipeline.declared[0], item.value) }
            if pipeline.declared.count == 2 {
                declare(pipeline, pipeline.declared[0], item.key)
                declare(pipeline, pipeline.declared[1], item.value)
            }
            if try run(body, on: item.value) == .leave { break }
        }
        return .onward
    }

    private func elements(
        of value: TemplateValue,
        at pipeline: TemplatePipeline
    ) throws(TemplateError) -> [(key: TemplateValue, value: TemplateValue)] {
        switch value {
        case .list(let list): return list.enumerated().map { (.integer(Int64($0.offset)), $0.element) }
        case .map(let entries, _): return entries.sorted { $0.key < $1.key }.map { (.text($0.key), $0.value) }
        case .null, .nothing: return []
        case .integer(let count) where count <= 1_000_000:
            return (0..<max(0, count)).map { (.integer($0), .integer($0)) }
        case .record(let record) where record.name == nil:
            return record.fields.sorted { $0.name < $1.name }.map { (.text($0.name), $0.value) }
        case .boolean, .integer, .number, .text, .record:
            throw failure(pipeline.commands[0].operands[0], "range can't iterate over \(value.printedInside)")
        }
    }

    private mutating func declare(_ pipeline: TemplatePipeline, _ name: String, _ value: TemplateValue) {
        if pipeline.isAssignment, let index = variables.lastIndex(where: { $0.name == name }) {
            variables[index].value = value
        } else {
            variables.append((name, value))
        }
    }

    private mutating func evaluate(_ pipeline: TemplatePipeline) throws(TemplateError) -> TemplateValue {
        var value: TemplateValue?
        for command in pipeline.commands { value = try evaluate(command, piped: value) }
        let result = value ?? .nothing
        for name in pipeline.declared { declare(pipeline, name, result) }
        return result
    }

    private mutating func evaluate(_ command: TemplateCommand, piped: TemplateValue?) throws(TemplateError)
        -> TemplateValue
    {
        let first = command.operands[0]
        let given = command.operands.dropFirst()
        switch first.kind {
        case .function(let name): return try call(name, first, command, piped)
        case .field, .variable, .pipeline:
            if case .field = first.kind, first.fields.count == 1, case .record(let record) = dot,
                let method = record.methods[first.fields[0]]
            {
                var arguments: [String] = []
                for operand in given { arguments.append(try text(operand)) }
                if case .text(let text)? = piped { arguments.append(text) }
                guard arguments.count == 1 else {
                    throw failure(first, "wrong number of args for \(first.fields[0]): want 1 got \(arguments.count)")
                }
                return .text(method(arguments))
            }
            let value = try evaluate(first)
            let count = given.count + (piped == nil ? 0 : 1)
            if count > 0 {
                let name = first.fields.last ?? first.source
                throw failure(first, "wrong number of args for \(name): want 0 got \(count)")
            }
            return value
        case .null: throw failure(first, "nil is not a command")
        case .dot, .literal:
            if !given.isEmpty || piped != nil {
                throw failure(first, "can't give argument to non-function \(first.source)")
            }
            return try evaluate(first)
        }
    }

    private mutating func evaluate(_ operand: TemplateOperand) throws(TemplateError) -> TemplateValue {
        let start: TemplateValue
        switch operand.kind {
        case .dot, .field: start = dot
        case .null: return .null(printedAs: "<nil>")
        case .literal(let value): return value
        case .variable(let name): start = variables.last { $0.name == name }?.value ?? .nothing
        case .pipeline(let pipeline): start = try evaluate(pipeline)
        case .function(let name):
            return try call(name, operand, TemplateCommand(operands: [operand]), nil)
        }
        var value = start
        for field in operand.fields { value = try self.field(field, of: value, operand) }
        return value
    }

    private func field(
        _ name: String,
        of value: TemplateValue,
        _ operand: TemplateOperand
    ) throws(TemplateError) -> TemplateValue {
        switch value {
        case .record(let record):
            if let value = record.field(name) { return value }
            if record.methods[name] != nil {
                throw failure(operand, "wrong number of args for \(name): want 1 got 0")
            }
            guard let type = record.name else { throw failure(operand, "map has no entry for key \"\(name)\"") }
            throw failure(operand, "can't evaluate field \(name) in type \(type)")
        case .map(let entries, _): return entries[name] ?? .nothing
        case .nothing, .null: throw failure(operand, "nil data; no entry for key \"\(name)\"")
        case .boolean, .integer, .number, .text, .list:
            throw failure(operand, "can't evaluate field \(name) in type \(value.typeName)")
        }
    }

    private mutating func text(_ operand: TemplateOperand) throws(TemplateError) -> String {
        guard case .text(let text) = try evaluate(operand) else {
            throw failure(operand, "expected string; found \(operand.source)")
        }
        return text
    }

    private mutating func call(
        _ name: String,
        _ function: TemplateOperand,
        _ command: TemplateCommand,
        _ piped: TemplateValue?
    ) throws(TemplateError) -> TemplateValue {
        let operands = command.operands.dropFirst()
        if name == "and" || name == "or" {
            // The arguments after the one that decides are not evaluated.
            guard !operands.isEmpty || piped != nil else {
                throw failure(function, "wrong number of args for \(name): want at least 1 got 0")
            }
            var value = TemplateValue.nothing
            for operand in operands {
                value = try evaluate(operand)
                if value.isTrue == (name == "or") { return value }
            }
            return piped ?? value
        }
        var arguments: [TemplateValue] = []
        for operand in operands { arguments.append(try evaluate(operand)) }
        if let piped { arguments.append(piped) }
        do throws(TemplateFunctions.Failure) {
            return try TemplateFunctions.call(name, arguments)
        } catch {
            switch error {
            case .wrongCount(let wanted):
                throw failure(function, "wrong number of args for \(name): want \(wanted) got \(arguments.count)")
            case .wrongType(let index, let wanted):
                let place = operands.dropFirst(index).first ?? function
                let value = arguments[index]
                if case .literal = place.kind {
                    throw failure(place, "expected \(wanted); found \(place.source)")
                }
                throw failure(place, "wrong type for value; expected \(wanted); got \(value.typeName)")
            case .refused(let reason):
                throw failure(at: command.position, command.source, "error calling \(name): \(reason)")
            }
        }
    }

    private func failure(_ operand: TemplateOperand, _ reason: String) -> TemplateError {
        failure(at: operand.position, operand.source, reason)
    }

    private func failure(at position: Int, _ place: String, _ reason: String) -> TemplateError {
        let before = source[..<min(position, source.count)]
        let lineStart = before.lastIndex(of: "\n").map { $0 + 1 } ?? 0
        return .execution(
            template: name,
            line: 1 + before.count { $0 == "\n" },
            column: position - lineStart,
            place: place,
            reason: reason
        )
    }
}
