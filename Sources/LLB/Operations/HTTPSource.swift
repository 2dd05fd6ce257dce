package import OCI
import Text

/// A file of a web server: the tree of that one file.
package struct HTTPSource: Hashable, Sendable {
    /// The address, `http://` or `https://`.
    package var url: [UInt8]
    /// What the content must be.
    package var checksum: Digest?
    /// How the file is to be; without a name it has the one that the server or the address gives.
    package var file = SourceFile()
    /// The secret that holds an `Authorization` header.
    package var authorizationSecret: [UInt8]?
    /// More headers to send, by name.
    package var headers: [String: [UInt8]] = [:]
    /// What must have signed the file; nil for nothing.
    package var signature: Signature?

    /// A signature of the file in a file of its own, and the keys of which one must have made it.
    package struct Signature: Hashable, Sendable {
        /// Blocks of PGP keys as text.
        package var publicKeys: [UInt8]
        /// A PGP signature as text.
        package var content: [UInt8]

        package init(_ content: [UInt8], by publicKeys: [UInt8]) {
            self.content = content
            self.publicKeys = publicKeys
        }
    }

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
            switch key {
            case "http.checksum":
                do throws(OCIError) { checksum = try Digest(parsing: text) } catch {
                    throw .invalidSource(source.identifier, reason: "\(error)")
                }
            // Both are read below.
            case "http.sig.pubkey", "http.sig.signature": continue
            case _ where key.hasPrefix("http.sig."):
                throw .invalidSource(source.identifier, reason: "unknown rule for signatures \(key)")
            case "http.authheadersecret": authorizationSecret = value
            default:
                guard key.hasPrefix("http.header.") else { continue }
                headers[String(key.dropFirst("http.header.".count))] = value
            }
        }
        file = try SourceFile(source)
        signature = try Self.signature(source)
    }

    private static func signature(_ source: Source) throws(LLBError) -> Signature? {
        let keys = source.attributes["http.sig.pubkey"] ?? []
        let content = source.attributes["http.sig.signature"] ?? []
        guard keys.isEmpty == content.isEmpty else {
            throw .invalidSource(
                source.identifier,
                reason: "http signature verification requires both pubkey and signature"
            )
        }
        return keys.isEmpty ? nil : Signature(content, by: keys)
    }

    /// The wire form.
    package var source: Source {
        var attributes = file.attributes
        if let checksum { attributes["http.checksum"] = Array(checksum.description.utf8) }
        if let authorizationSecret { attributes["http.authheadersecret"] = authorizationSecret }
        for (name, value) in headers { attributes["http.header.\(name)"] = value }
        if let signature {
            attributes["http.sig.pubkey"] = signature.publicKeys
            attributes["http.sig.signature"] = signature.content
        }
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
