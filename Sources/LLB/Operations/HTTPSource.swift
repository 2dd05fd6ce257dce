package import OCI
import Text

/// A file of a web server: the tree of that one file.
package struct HTTPSource: Hashable, Sendable {
    /// The address, `http://` or `https://`.
    package var url: [UInt8]
    /// What the content must be.
    package var checksum: Digest?
    /// The file's name; nil takes the one that the server or the address gives.
    package var fileName: [UInt8]?
    /// Permission bits; nil means 0600.
    package var permissions: UInt32?
    package var user: UInt32 = 0
    package var group: UInt32 = 0
    /// The secret that holds an `Authorization` header.
    package var authorizationSecret: [UInt8]?
    /// More headers to send, by name.
    package var headers: [String: [UInt8]] = [:]

    package init(url: [UInt8]) { self.url = url }

    /// Reads the attributes of an `http://` or `https://` source.
    /// - Throws: `LLBError.invalidSource` for another scheme or a value that cannot be read.
    package init(_ source: Source) throws(LLBError) {
        guard [Source.httpScheme, Source.httpsScheme].contains(source.scheme) else {
            throw .invalidSource(source.identifier, reason: "not an HTTP source")
        }
        url = source.identifier
        for (key, value) in source.attributes {
            let text = String(decoding: value, as: UTF8.self)
            func number(_ digits: Substring, radix: Int = 10) throws(LLBError) -> UInt32 {
                guard let number = UInt32(digits, radix: radix), number < .max else {
                    throw .invalidSource(source.identifier, reason: "\(key) is not a number")
                }
                return number
            }
            switch key {
            case "http.checksum":
                do throws(OCIError) { checksum = try Digest(parsing: text) } catch {
                    throw .invalidSource(source.identifier, reason: "\(error)")
                }
            case _ where key.hasPrefix("http.sig."):
                throw .invalidSource(
                    source.identifier,
                    reason: "the signatures of files are not verified by this version of Slipway"
                )
            case "http.filename": fileName = value
            case "http.perm":
                permissions = try text.hasPrefix("0") ? number(text[...], radix: 8) : number(text[...])
            case "http.uid": user = try number(text[...])
            case "http.gid": group = try number(text[...])
            case "http.authheadersecret": authorizationSecret = value
            default:
                guard key.hasPrefix("http.header.") else { continue }
                headers[String(key.dropFirst("http.header.".count))] = value
            }
        }
    }

    /// The wire form.
    package var source: Source {
        var attributes: [String: [UInt8]] = [:]
        if let checksum { attributes["http.checksum"] = Array(checksum.description.utf8) }
        if let fileName { attributes["http.filename"] = fileName }
        if let permissions { attributes["http.perm"] = "0\(String(permissions, radix: 8))" }
        if user != 0 { attributes["http.uid"] = "\(user)" }
        if group != 0 { attributes["http.gid"] = "\(group)" }
        if let authorizationSecret { attributes["http.authheadersecret"] = authorizationSecret }
        for (name, value) in headers { attributes["http.header.\(name)"] = value }
        return Source(identifier: url, attributes: attributes)
    }

    /// The last component of the address's path, decoded; nil unless it can name a file.
    package var nameInAddress: [UInt8]? {
        let path = Source(identifier: url).rest.prefix { $0 != "?" && $0 != "#" }
        guard let start = path.firstIndex(of: "/") else { return nil }
        return Self.safeName(percentDecoded(path[start...]))
    }

    /// The last component of an untrusted path, or nil if it cannot name a file.
    package static func safeName(_ path: [UInt8]) -> [UInt8]? {
        guard let name = path.split(separator: "/").last.map(Array.init), name.count <= 255,
            !name.contains(0), name != ".", name != ".."
        else { return nil }
        return name
    }
}

/// Text with each `%XX` replaced by its byte; a malformed one stays.
package func percentDecoded(_ text: some Collection<UInt8>) -> [UInt8] {
    var decoded: [UInt8] = []
    var rest = Array(text)[...]
    while let byte = rest.popFirst() {
        let digits = rest.prefix(2)
        if byte == "%", digits.count == 2, !digits.contains("+"),
            let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
        {
            decoded.append(value)
            rest = rest.dropFirst(2)
        } else {
            decoded.append(byte)
        }
    }
    return decoded
}

extension Output {
    /// The tree of one file of a web server.
    package static func http(_ source: HTTPSource, metadata: Metadata = Metadata()) throws(LLBError) -> Output {
        Output(try Node(.source(source.source), metadata: metadata))
    }
}
