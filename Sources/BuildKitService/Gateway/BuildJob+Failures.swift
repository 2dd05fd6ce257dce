import BuildEngine
import LLB
import LinuxSystem
import Operations
import RPC
import Snapshots
import Text

extension BuildJob {
    /// What a client is told of a step that failed: besides the error, what the step was and the trees it left, under
    /// names by which containers can be made of them.
    func failure(of step: StepFailure) -> RPCFailure {
        var failure = serviceFailure(step)
        guard let node = step.node else { return failure }
        var members = [JSONValue.Member("op", node.json)]
        let remains = step.chain.lazy.compactMap { $0 as? FailedStep }.first
        if let remains {
            members.append(.init("inputIDs", .array(remains.inputs.map { .string(add($0)) })))
            members.append(.init("mountIDs", .array(remains.mounts.map { .string(add($0)) })))
            if let subject = Self.subject(remains.subject) { members.append(subject) }
        }
        if !node.metadata.description.isEmpty {
            let description = node.metadata.description.sorted { $0.key < $1.key }
                .map { JSONValue.Member($0.key, .string(String(decoding: $0.value, as: UTF8.self))) }
            members.append(.init("description", .object(description)))
        }
        failure.details.append(.json("Solve", .object(members)))
        return failure
    }

    /// What of the step the trees belong to; nil for its process.
    private static func subject(_ subject: FailedStep.Subject) -> JSONValue.Member? {
        func index(_ number: Int) -> JSONValue { .object([.init("index", .string("\(number)"))]) }
        return switch subject {
        case .process: nil
        case .content(let input): .init("cache", index(input))
        case .action(let number): .init("file", index(number))
        }
    }
}
