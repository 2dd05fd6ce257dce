import BuildKitProto
import FoundationEssentials
package import OCI
import SwiftProtobuf
package import Text

/// A definition as provenance tells of it: its operations as numbered steps, by Go's rules for JSON.
package struct DefinitionSteps: Sendable {
    /// The numbers of nodes, by digest.
    package let numbers: [Digest: Int]
    /// The steps, each after all that it needs.
    package let document: JSONValue
    /// The names of the steps by the digests of their operations.
    package let mapping: JSONValue
    /// The files that the definition was written in, and the places of steps in them; nil for none.
    package let sources: JSONValue?

    package static func name(_ number: Int) -> String { "step\(number)" }
}

extension Definition {
    /// The steps of the definition; nil for the empty tree, which has none.
    /// - Throws: `LLBError`.
    package func steps() throws(LLBError) -> DefinitionSteps? {
        if target == nil { return nil }
        let message = try message()
        let (numbers, steps) = try Self.steps(of: message)
        return DefinitionSteps(
            numbers: numbers,
            document: .array(steps),
            mapping: Self.mapping(numbers),
            sources: message.hasSource ? try sourceDocument(message.source, numbers) : nil
        )
    }

    private static func steps(of message: Pb_Definition) throws(LLBError) -> (numbers: [Digest: Int], [JSONValue]) {
        var numbers: [Digest: Int] = [:]
        var steps: [JSONValue] = []
        for bytes in message.def {
            var operation: Pb_Op
            do { operation = try Pb_Op(serializedBytes: bytes) } catch { throw .malformed(what: "an operation") }
            numbers[Digest.sha256(of: Array(bytes))] = steps.count
            // What tells one build from the next says nothing of how it was made.
            if case .source(var source)? = operation.op {
                source.attrs["local.session"] = nil
                source.attrs["local.unique"] = nil
                operation.op = .source(source)
            }
            steps.append(step(operation, numbers, number: steps.count))
        }
        return (numbers, steps)
    }

    private static func mapping(_ numbers: [Digest: Int]) -> JSONValue {
        object(numbers.map { ($0.description, JSONValue.string(DefinitionSteps.name($1))) })
    }

    private static func step(_ operation: Pb_Op, _ numbers: [Digest: Int], number: Int) -> JSONValue {
        var operation = operation
        let inputs = operation.inputs.map { input in
            let known = (try? Digest(parsing: input.digest)).flatMap { numbers[$0] } ?? 0
            return JSONValue.string("\(DefinitionSteps.name(known)):\(input.index)")
        }
        operation.inputs = []
        return members(
            ("id", .string(DefinitionSteps.name(number))),
            ("op", operation.json(.go)),
            ("inputs", inputs.isEmpty ? nil : .array(inputs))
        )
    }

    private func sourceDocument(_ message: Pb_Source, _ numbers: [Digest: Int]) throws(LLBError) -> JSONValue? {
        if message.infos.isEmpty { return nil }
        let places = message.locations.compactMap { digest, locations in
            (try? Digest(parsing: digest)).flatMap { numbers[$0] }
                .map { (DefinitionSteps.name($0), locations.lineByLine.json) }
        }
        return members(
            ("locations", places.isEmpty ? nil : object(places)),
            ("infos", .array(try message.infos.map { info throws(LLBError) in try Self.document(info) }))
        )
    }

    /// A file with the steps that bring it.
    private static func document(_ info: Pb_SourceInfo) throws(LLBError) -> JSONValue {
        guard info.hasDefinition, !info.definition.def.isEmpty, case .object(let members) = info.json else {
            return info.json
        }
        let (numbers, steps) = try steps(of: info.definition)
        return .object(
            members + [.init("llbDefinition", .array(steps)), .init("digestMapping", mapping(numbers))]
        )
    }
}

extension Pb_Locations {
    /// The same with a range for each line, as BuildKit has it.
    fileprivate var lineByLine: Pb_Locations {
        var all = self
        for index in locations.indices {
            all.locations[index].ranges = locations[index].ranges.flatMap { range in
                (range.start.line...max(range.start.line, range.end.line)).map { line in
                    Pb_Range.with {
                        $0.start.line = line
                        $0.end.line = line
                    }
                }
            }
        }
        return all
    }
}
