internal import FoundationEssentials
package import HTTP
internal import Hashing
internal import Images
internal import LinuxSystem
internal import OCI
internal import Settings
package import Text

/// Signs requests as Amazon's services want them.
///
/// See "Signature Version 4" of Amazon's documentation.
package struct S3Signer: Sendable, Hashable {
    package var accessKey: String
    package var secretKey: Secret
    package var sessionToken: Secret?
    package var region: String

    package init(accessKey: String, secretKey: Secret, sessionToken: Secret? = nil, region: String) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
        self.region = region
    }

    /// One parameter of a query.
    package typealias Parameter = (name: String, value: String)

    /// What is signed.
    package struct Request: Sendable {
        package var method: String
        /// The address without a query.
        package var url: HTTPURL
        /// Not encoded.
        package var query: [Parameter] = []
        /// Those that are part of what is signed.
        package var headers: [Parameter] = []
        package var body: [UInt8] = []

        package init(_ method: String, _ url: HTTPURL) {
            self.method = method
            self.url = url
        }
    }

    /// The headers that make a request a signed one.
    /// - Parameters:
    ///   - request: what is signed.
    ///   - time: now, in seconds since 1970.
    /// - Returns: all headers, those of the request among them.
    package func headers(for request: Request, at time: Int64) -> [Parameter] {
        let stamp = Self.stamp(of: time)
        let payload = OCI.Digest.sha256(of: request.body)
        var signed = request.headers + [("x-amz-content-sha256", payload.hex), ("x-amz-date", stamp)]
        if let sessionToken { signed.append(("x-amz-security-token", sessionToken.reveal())) }
        let named = (signed + [("host", request.url.authority)]).map { (name: $0.name.lowercased(), value: $0.value) }
            .sorted { $0.name < $1.name }
        let names = named.map { $0.name }.joined(separator: ";")
        let canonical = [
            request.method, request.url.target, Self.encoded(request.query),
            named.map { "\($0.name):\($0.value)\n" }.joined(), names, payload.hex,
        ].joined(separator: "\n")
        let day = String(stamp.prefix(8))
        let scope = "\(day)/\(region)/s3/aws4_request"
        let text = "AWS4-HMAC-SHA256\n\(stamp)\n\(scope)\n\(OCI.Digest.sha256(of: Array(canonical.utf8)).hex)"
        let signature = hexadecimal(Self.code(of: text, with: signingKey(day: day)))
        let credential = "\(accessKey)/\(scope)"
        signed.append(
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=\(credential), SignedHeaders=\(names), Signature=\(signature)"
            )
        )
        return signed
    }

    /// A query as it is signed and sent: sorted, with everything but unreserved characters encoded.
    package static func encoded(_ query: [Parameter]) -> String {
        query.map { (encoded($0.name), encoded($0.value)) }.sorted { $0.0 < $1.0 }.map { "\($0.0)=\($0.1)" }
            .joined(separator: "&")
    }

    /// A path with everything but unreserved characters and slashes encoded.
    package static func encodedPath(_ path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false).map { encoded(String($0)) }.joined(separator: "/")
    }

    private static func encoded(_ text: String) -> String { percentEncoded(text) }

    private func signingKey(day: String) -> [UInt8] {
        [day, region, "s3", "aws4_request"].reduce(Array("AWS4\(secretKey.reveal())".utf8)) { key, text in
            Self.code(of: text, with: key)
        }
    }

    private static func code(of text: String, with key: [UInt8]) -> [UInt8] {
        SecureHash.code(of: Array(text.utf8), key: key)
    }

    /// `20260304T050607Z`.
    private static func stamp(of time: Int64) -> String {
        FileTime(seconds: time).rfc3339.filter { $0 != "-" && $0 != ":" }
    }
}
