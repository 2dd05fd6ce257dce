internal import FoundationEssentials
internal import GRPCCore
internal import GRPCProtobuf
internal import SwiftProtobuf

/// The result of a call that failed, as both sides of a connection see it.
///
/// It travels as `google.rpc.Status` in `grpc-status-details-bin`.
package struct RPCFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The canonical codes of gRPC.
    package enum Code: Int, Sendable, CaseIterable {
        case cancelled = 1
        case unknown = 2
        case invalidArgument = 3
        case deadlineExceeded = 4
        case notFound = 5
        case alreadyExists = 6
        case permissionDenied = 7
        case resourceExhausted = 8
        case failedPrecondition = 9
        case aborted = 10
        case outOfRange = 11
        case unimplemented = 12
        case internalError = 13
        case unavailable = 14
        case dataLoss = 15
        case unauthenticated = 16
    }

    /// More about a failure, in a form that its type names.
    ///
    /// BuildKit's are JSON, under names that end in `+json`.
    package struct Detail: Hashable, Sendable {
        package var typeURL: String
        package var value: [UInt8]

        package init(typeURL: String, value: [UInt8]) {
            self.typeURL = typeURL
            self.value = value
        }
    }

    package var code: Code
    package var message: String
    package var details: [Detail]

    package init(_ code: Code, _ message: String, details: [Detail] = []) {
        self.code = code
        self.message = message
        self.details = details
    }

    package var description: String { message }
}

extension RPCFailure {
    /// The failure as a server sends it.
    var status: RPCError {
        let code = RPCError.Code(Status.Code(rawValue: code.rawValue) ?? .unknown) ?? .unknown
        guard !details.isEmpty else { return RPCError(code: code, message: message) }
        let details = details.map { detail in
            var any = Google_Protobuf_Any()
            any.typeURL = detail.typeURL
            any.value = Data(detail.value)
            return ErrorDetails.any(any)
        }
        return RPCError(GoogleRPCStatus(code: code, message: message, details: details))
    }

    /// The failure that a client gets.
    init(_ error: RPCError) {
        self.init(Code(rawValue: error.code.rawValue) ?? .unknown, error.message)
        // Details that cannot be read take nothing from the code and the message.
        guard let status = try? error.unpackGoogleRPCStatus() else { return }
        details = status.details.compactMap(\.any).map { Detail(typeURL: $0.typeURL, value: Array($0.value)) }
    }
}
