package import BuildGraph
internal import FoundationEssentials
package import RPC
internal import Text

/// Why a daemon did not do what was asked of it, in its own words.
package struct RemoteFailure: Error, Sendable, CustomStringConvertible {
    package let code: RPCFailure.Code
    package let message: String
    /// The files and lines that it is about.
    package let sources: [VertexWarning.Source]

    init(_ failure: RPCFailure) {
        code = failure.code
        message = failure.message
        sources = failure.details.filter { $0.typeURL.hasSuffix("errdefs.Source+json") }.compactMap { detail in
            // What cannot be read takes nothing from the message.
            (try? JSONDecoder().decode(SourceDetail.self, from: Data(detail.value)))?.source
        }
    }

    package var description: String { message }
}

/// The daemon ended its connection before the answer.
package struct LostDaemon: Error, Sendable, CustomStringConvertible {
    package let address: RPCAddress

    package var description: String {
        "lost the connection to the daemon at \(address): it ended, or the network between failed"
    }
}

/// What names the lines of a file in an error, as Go's JSON has it.
private struct SourceDetail: Decodable {
    struct Info: Decodable {
        let filename: String?
        let data: String?
        let language: String?
    }

    struct Position: Decodable { let line: Int? }

    struct Range: Decodable {
        let start: Position?
        let end: Position?
    }

    let info: Info?
    let ranges: [Range]?

    var source: VertexWarning.Source? {
        guard let info, let data = bytes(ofBase64: info.data ?? "") else { return nil }
        let lines = (ranges ?? []).map { range in
            let start = range.start?.line ?? 0
            return start...max(start, range.end?.line ?? start)
        }
        return VertexWarning.Source(
            fileName: info.filename ?? "",
            language: info.language ?? "",
            data: data,
            lines: lines
        )
    }
}
