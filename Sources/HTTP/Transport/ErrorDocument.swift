internal import FoundationEssentials
internal import LinuxSystem
internal import Text

/// What a server says about an error: a registry, a token service, or any other that answers in JSON.
///
/// See the OCI distribution specification, "Error Codes".
package struct ErrorDocument: Hashable, Sendable {
    /// How much of an answer is read for it, in bytes.
    static let limit = 64 << 10

    /// In upper case, for example `MANIFEST_UNKNOWN`.
    package var code: String?
    /// Fit to be shown, shortened.
    package var message: String?

    package init() {}

    /// Reads the answer to a failed request; a body of another form has neither code nor message.
    init(parsing bytes: [UInt8]) {
        struct Document: Decodable {
            struct Entry: Decodable {
                var code: String?
                var message: String?
            }
            var errors: [Entry]?
            /// Token services answer in the manner of OAuth.
            var error: String?
            var error_description: String?
            /// And others with one of these.
            var details: String?
            var message: String?
        }
        let document: Document
        do { document = try JSONDecoder().decode(Document.self, from: Data(bytes)) } catch { return }
        let first = document.errors?.first
        code = first?.code.map(Self.shown)
        let text =
            first?.message ?? document.error_description ?? document.details ?? document.message ?? document.error
        message = text.flatMap { $0.isEmpty ? nil : Self.shown($0) }
    }

    private static func shown(_ text: String) -> String { escapedForDisplay(Array(text.utf8.prefix(300))) }

    /// Code and message in one, as docker prints them: `denied: requested access to the resource is denied`.
    package var text: String? {
        guard let code else { return message }
        let name = code.lowercased().split(separator: "_").joined(separator: " ")
        guard let message, message.lowercased() != name else { return name }
        return "\(name): \(message)"
    }
}
