package import OCI

/// A blob of a registry's repository, or of a layout of the client: the tree of that one file.
package struct ImageBlobSource: Hashable, Sendable {
    /// The repository, with the digest of the blob.
    package var reference: ImageReference
    package var digest: Digest
    /// The client's layout that has it; nil for a registry.
    package var layout: LayoutStore?
    package var file = SourceFile()

    /// Reads the attributes of a `docker-image+blob://` or `oci-layout+blob://` source.
    /// - Throws: `LLBError.invalidSource` for another scheme or a value that cannot be read.
    package init(_ source: Source) throws(LLBError) {
        func invalid(_ reason: String) -> LLBError { .invalidSource(source.identifier, reason: reason) }
        do throws(OCIError) {
            reference = try ImageReference(parsing: String(decoding: source.rest, as: UTF8.self))
        } catch {
            throw invalid("\(error)")
        }
        guard let digest = reference.digest else { throw invalid("a blob is named by its digest") }
        self.digest = digest
        switch source.scheme {
        case Source.imageBlobScheme: layout = nil
        case Source.layoutBlobScheme:
            let name = source.attributes[Source.layoutStore] ?? []
            if name.isEmpty { throw invalid("oci-layout blob source requires store id") }
            layout = LayoutStore(name: name, session: source.attributes[Source.layoutSession] ?? [])
        default: throw invalid("not a source of a blob")
        }
        file = try SourceFile(source)
    }

    /// The identifier of the wire form.
    var locator: [UInt8] {
        let scheme = layout == nil ? Source.imageBlobScheme : Source.layoutBlobScheme
        return Array("\(scheme)://\(reference)".utf8)
    }
}

/// The one file of a source: its name and its attributes.
package struct SourceFile: Hashable, Sendable {
    /// Nil takes the one that the source gives.
    package var name: [UInt8]?
    /// Permission bits; nil means 0600.
    package var permissions: UInt32?
    package var user: UInt32 = 0
    package var group: UInt32 = 0

    package init() {}

    /// Reads the attributes of a source, which BuildKit names after those of web servers.
    /// - Throws: `LLBError.invalidSource` for a value that cannot be read.
    init(_ source: Source) throws(LLBError) {
        func number(_ key: String) throws(LLBError) -> UInt32? {
            guard let value = source.attributes[key] else { return nil }
            let text = String(decoding: value, as: UTF8.self)
            let isOctal = key == "http.perm" && text.hasPrefix("0")
            guard let number = UInt32(text, radix: isOctal ? 8 : 10), number < .max else {
                throw .invalidSource(source.identifier, reason: "\(key) is not a number")
            }
            return number
        }
        name = source.attributes["http.filename"]
        permissions = try number("http.perm")
        user = try number("http.uid") ?? 0
        group = try number("http.gid") ?? 0
    }

    /// The permission bits that the file gets.
    package var mode: UInt32 { (permissions ?? 0o600) & 0o7777 }

    /// The attributes of the wire form.
    var attributes: [String: [UInt8]] {
        var attributes: [String: [UInt8]] = [:]
        if let name { attributes["http.filename"] = name }
        if let permissions { attributes["http.perm"] = Array("0\(String(permissions, radix: 8))".utf8) }
        if user != 0 { attributes["http.uid"] = Array("\(user)".utf8) }
        if group != 0 { attributes["http.gid"] = Array("\(group)".utf8) }
        return attributes
    }
}
