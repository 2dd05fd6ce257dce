import NIOCore
import RPC
import SwiftProtobuf
import Synchronization
import Tasks
import Testing

typealias Text = Google_Protobuf_StringValue
typealias Bytes = Google_Protobuf_BytesValue

/// Methods that tests call.
struct TestService: RPCService {
    static let name = "test.Test"

    /// Given when `Hang` begins and when its task is cancelled.
    let hasBegun = Promise<Void>()
    let isCancelled = Promise<Void>()

    func register(in methods: inout MethodTable) {
        methods.unary(Self.name, "Echo") { (question: Text, _) in question }
        methods.unary(Self.name, "Count") { (question: Bytes, _) in Text.with { $0.value = "\(question.value.count)" } }
        methods.unary(Self.name, "Hang") { (question: Text, _) -> Text in
            hasBegun.keep(())
            do { try await Task.sleep(for: .seconds(3600)) } catch { isCancelled.keep(()) }
            return question
        }
    }
}

extension RPCConnection {
    /// Sends a text there and back.
    func echo(_ text: String) async throws -> String {
        let answer: Text = try await unary(TestService.name, "Echo", Text.with { $0.value = text })
        return answer.value
    }

    func expectEcho(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        #expect(try await echo(text) == text, sourceLocation: sourceLocation)
    }
}

/// The failure of a call; nil if it did not fail with one.
func failure(_ call: () async throws -> Void) async throws -> RPCFailure? {
    do {
        try await call()
        return nil
    } catch let failure as RPCFailure {
        return failure
    }
}
