internal import FoundationEssentials
internal import HTTP
internal import LLB
internal import LinuxSystem
internal import Text

/// An address as users write it, taken apart: where to ask, and what proves who asks.
struct WebAddress: Sendable {
    let url: HTTPURL
    /// Made of the user information of the address, which is never sent as a part of it.
    let authorization: Secret?

    /// Characters that addresses do not have are percent-encoded, as browsers do; control characters are refused.
    /// - Throws: `HTTPError.invalidURL`.
    init(parsing text: [UInt8]) throws {
        guard text.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
            throw HTTPError.invalidURL(escapedForDisplay(text), reason: "it holds a control character")
        }
        let encoded: [UInt8] = text.flatMap { byte -> [UInt8] in
            let isPlain = byte > 0x20 && byte < 0x7f && byte != "\\"
            if isPlain { return [byte] }
            let digits: [UInt8] = "0123456789ABCDEF"
            return ["%", digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        let address = String(decoding: encoded, as: UTF8.self)
        guard let scheme = address.firstRange(of: "://") else {
            url = try HTTPURL(parsing: address)
            authorization = nil
            return
        }
        let rest = address[scheme.upperBound...]
        let authority = rest.prefix { !"/?#".contains($0) }
        guard let at = authority.lastIndex(of: "@") else {
            url = try HTTPURL(parsing: address)
            authorization = nil
            return
        }
        url = try HTTPURL(parsing: String(address[..<scheme.upperBound]) + String(rest[rest.index(after: at)...]))
        let parts = authority[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let user = percentDecoded((parts.first ?? "").utf8)
        let password = parts.count > 1 ? percentDecoded(parts[1].utf8) : []
        let pair = Data(user + ":" + password).base64EncodedString()
        authorization = Secret("Basic \(pair)")
    }
}
