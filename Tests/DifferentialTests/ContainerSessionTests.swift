import Foundation
import Glibc
import Testing

/// What Slipway answers to commands on containers beside what Docker answers.
///
/// The sessions are the files of `ContainerCases`; `Peers/containers.py` plays each with both, a few at a time, and compares
/// status, output and errors of every command. `AcceptedContainers.txt` lists what may differ and why.
@Suite("Sessions with containers beside Docker's", .enabled(if: geteuid() == 0, "needs root"))
struct ContainerSessionTests {
    @Test("Every command is answered as Docker answers it", arguments: caseNames(of: "ContainerCases"))
    func sameAnswers(name: String) async throws {
        let differences = try #require(try await playedSessions().cases[name], "the session was not played")
        for difference in differences { Issue.record(Comment(rawValue: difference.description)) }
    }

    @Test("Every accepted difference of the answers is still there")
    func acceptedDifferencesAreUsed() async throws {
        #expect(try await playedSessions().unused == [])
    }

    @Test("There are as many commands as were promised")
    func numberOfCommands() async throws {
        #expect(try await playedSessions().commands >= 600)
    }
}

/// What `containers.py` prints.
private struct Sessions: Decodable, Sendable {
    /// The differences that nothing explains, by session.
    let cases: [String: [Difference]]
    let unused: [String]
    let commands: Int
    /// Why Docker could not take part.
    let missing: String?
}

/// One answer that is not Docker's.
private struct Difference: Decodable, Sendable, CustomStringConvertible {
    let command: String
    let field: String
    let slipway: Answer
    let docker: Answer

    var description: String { "\(command): \(field): slipway \(slipway), docker \(docker)" }
}

/// A status, a text, or the answer of a command that prepares something.
private enum Answer: Decodable, Sendable, CustomStringConvertible {
    case number(Int)
    case text(String)
    case other

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Int.self) {
            self = .number(number)
        } else if let text = try? container.decode(String.self) {
            self = .text(text)
        } else {
            self = .other
        }
    }

    var description: String {
        switch self {
        case .number(let number): String(number)
        case .text(let text): text.debugDescription
        case .other: "a failure where success was needed"
        }
    }
}

/// The sessions, played once for all tests.
private let sharedSessions = SharedRun<Sessions>(of: "containers.py")

private func playedSessions() async throws -> Sessions {
    let sessions = try await sharedSessions.value()
    guard let reason = sessions.missing else { return sessions }
    try Test.cancel("dockerd does not run on this machine: \(reason)")
}
