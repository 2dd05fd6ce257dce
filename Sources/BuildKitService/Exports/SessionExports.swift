import BuildKitProto
import Exporters
import FoundationEssentials
import RPC
import SwiftProtobuf

/// Outputs that a client asks for when it knows the result.
extension SessionClient {
    private static let exporterService = "moby.exporter.v1.Exporter"

    /// The outputs that the client wants besides those of its request.
    /// - Parameters:
    ///   - result: what was built; the client may look into it meanwhile.
    ///   - count: how many outputs the request has.
    /// - Returns: the outputs.
    /// - Throws: what the client answers, and `ServiceError` and `ExportError` for outputs that cannot be understood.
    func exports(of result: FrontendResult, after count: Int) async throws -> [Export] {
        let answer: Moby_Exporter_V1_FindExportersResponse? = try await ask(
            "FindExporters",
            Moby_Exporter_V1_FindExportersRequest.with {
                $0.metadata = result.metadata.mapValues { Data($0) }
                $0.refs = result.ids
            }
        )
        return try (answer?.exporters ?? []).enumerated().compactMap { number, exporter in
            let message = Moby_Buildkit_V1_Exporter.with {
                $0.type = exporter.type
                $0.attrs = exporter.attrs
            }
            return try Export(message, number: count + number, sink: self)
        }
    }

    /// Tells the client what all outputs gave.
    ///
    /// Its answer may fail the build.
    func finishExports(_ answer: Moby_Buildkit_V1_SolveResponse) async throws {
        let _: Moby_Exporter_V1_FinalizeExportResponse? = try await ask(
            "FinalizeExport",
            Moby_Exporter_V1_FinalizeExportRequest.with { $0.exporterResponse = answer.exporterResponse }
        )
    }

    /// Asks the client; nil if it does not answer such questions.
    private func ask<Question: Message, Answer: Message>(_ method: String, _ question: Question) async throws -> Answer?
    {
        guard session.offers(Self.exporterService, method) else { return nil }
        do {
            return try await session.unary(Self.exporterService, method, question)
        } catch let failure as RPCFailure where failure.code == .unimplemented || failure.code == .unavailable {
            return nil
        }
    }
}
