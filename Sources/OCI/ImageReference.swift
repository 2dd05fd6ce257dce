import Text

/// The name of an image, as docker reads it: `[host[:port]/]path[:tag][@digest]`.
///
/// The grammar is that of the distribution project. A first part is a host if it holds a `.`, a `:` or an upper-case letter, or is `localhost`; otherwise
/// the image is one of `docker.io`, where a path of one part lies below `library/`. Works on bytes: letters are ASCII only.
package struct ImageReference: Hashable, Sendable, CustomStringConvertible {
    /// The registry's host with its port, for example `docker.io` or `localhost:5000`.
    package let domain: String
    /// The repository's path in the registry, for example `library/python`.
    package let path: String
    package let tag: String?
    package let digest: Digest?

    package static let defaultDomain = "docker.io"
    package static let defaultTag = "latest"

    /// Parses a name as a user types it.
    /// - Throws: `OCIError.invalidReference` with the reason.
    package init(parsing text: String) throws(OCIError) {
        let bytes = Array(text.utf8)
        func fail(_ reason: String) -> OCIError { .invalidReference(text, reason: reason) }
        guard !bytes.isEmpty else { throw fail("the name is empty") }
        guard bytes.count <= 1024 else { throw fail("the name is too long") }
        if bytes.count == 64, bytes.allSatisfy(isHexDigit) {
            throw fail("cannot specify 64-byte hexadecimal strings as a repository name")
        }
        var rest = bytes[...]
        var digest: Digest?
        if let at = rest.firstIndex(of: "@") {
            let digestText = String(decoding: rest[(at + 1)...], as: UTF8.self)
            do throws(OCIError) { digest = try Digest(parsing: digestText) } catch {
                throw fail("invalid digest \"\(digestText)\"")
            }
            rest = rest[..<at]
        }
        var tag: String?
        let lastSlash = rest.lastIndex(of: "/") ?? rest.startIndex - 1
        if let colon = rest.lastIndex(of: ":"), colon > lastSlash {
            let tagBytes = rest[(colon + 1)...]
            guard isTag(tagBytes) else { throw fail("invalid tag \"\(String(decoding: tagBytes, as: UTF8.self))\"") }
            tag = String(decoding: tagBytes, as: UTF8.self)
            rest = rest[..<colon]
        }
        var domain = Self.defaultDomain
        var path = rest
        if let slash = rest.firstIndex(of: "/") {
            let first = rest[..<slash]
            let isHost =
                first.contains(".") || first.contains(":")
                || first == "localhost"
                || first.contains { ("A"..."Z").contains($0) }
            if isHost {
                guard isDomain(first) else {
                    throw fail("invalid registry host \"\(String(decoding: first, as: UTF8.self))\"")
                }
                domain = String(decoding: first, as: UTF8.self)
                path = rest[(slash + 1)...]
            }
        }
        if domain == "index.docker.io" { domain = Self.defaultDomain }
        let components = path.split(separator: "/", omittingEmptySubsequences: false)
        if path.contains(where: { ("A"..."Z").contains($0) }) {
            throw fail("repository name (\(String(decoding: path, as: UTF8.self))) must be lowercase")
        }
        guard components.allSatisfy(isPathComponent) else {
            throw fail("invalid repository name \"\(String(decoding: path, as: UTF8.self))\"")
        }
        guard path.count <= 255 else { throw fail("repository name must not be more than 255 characters") }
        self.domain = domain
        let name = String(decoding: path, as: UTF8.self)
        self.path = domain == Self.defaultDomain && components.count == 1 ? "library/" + name : name
        self.tag = tag
        self.digest = digest
    }

    private init(domain: String, path: String, tag: String?, digest: Digest?) {
        self.domain = domain
        self.path = path
        self.tag = tag
        self.digest = digest
    }

    /// The same name with `latest` where it has neither a tag nor a digest.
    package var withDefaultTag: ImageReference {
        tag == nil && digest == nil ? replacing(tag: Self.defaultTag) : self
    }

    /// The same repository under another tag, without a digest.
    package func replacing(tag: String) -> ImageReference {
        ImageReference(domain: domain, path: path, tag: tag, digest: nil)
    }

    /// The same repository by digest, without a tag.
    package func replacing(digest: Digest) -> ImageReference {
        ImageReference(domain: domain, path: path, tag: nil, digest: digest)
    }

    /// The same repository and tag without a digest.
    package var withoutDigest: ImageReference {
        ImageReference(domain: domain, path: path, tag: tag, digest: nil)
    }

    /// Host and path in full, for example `docker.io/library/python`.
    package var repository: String { "\(domain)/\(path)" }

    /// Host and path as docker shows them, for example `python`.
    ///
    /// Docker Hub's host stays where the path alone would name another host, as in `docker.io/example.com/app`.
    package var familiarRepository: String {
        let first = path.prefix { $0 != "/" }
        let looksLikeHost = first.count < path.count && (first.contains(".") || first == "localhost")
        guard domain == Self.defaultDomain, !looksLikeHost else { return repository }
        guard path.hasPrefix("library/"), !path.dropFirst(8).contains("/") else { return path }
        return String(path.dropFirst(8))
    }

    /// The whole name in full, for example `docker.io/library/python:3-alpine`.
    package var description: String { repository + suffix }

    /// The whole name as docker shows it, for example `python:3-alpine`.
    package var familiar: String { familiarRepository + suffix }

    private var suffix: String { (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "") }
}

private func isHexDigit(_ byte: UInt8) -> Bool {
    isDigit(byte) || ("a"..."f").contains(byte)
}

private func isDigit(_ byte: UInt8) -> Bool { ("0"..."9").contains(byte) }

private func isLowercaseOrDigit(_ byte: UInt8) -> Bool {
    isDigit(byte) || ("a"..."z").contains(byte)
}

private func isLetterOrDigit(_ byte: UInt8) -> Bool {
    isLowercaseOrDigit(byte) || ("A"..."Z").contains(byte)
}

extension ImageReference {
    /// Whether a text could be a tag.
    package static func couldBeTag(_ text: ArraySlice<UInt8>) -> Bool { isTag(text) }
}

/// Whether this is a tag: `[\w][\w.-]{0,127}`.
private func isTag(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let first = bytes.first, bytes.count <= 128, isLetterOrDigit(first) || first == "_" else {
        return false
    }
    return bytes.allSatisfy {
        isLetterOrDigit($0) || $0 == "_" || $0 == "." || $0 == "-"
    }
}

/// Whether this is one part of a repository's path: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
private func isPathComponent(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let first = bytes.first, let last = bytes.last, isLowercaseOrDigit(first), isLowercaseOrDigit(last) else {
        return false
    }
    for separators in bytes.split(omittingEmptySubsequences: true, whereSeparator: isLowercaseOrDigit) {
        let allowed =
            separators.allSatisfy { $0 == "-" } || separators == "."
            || separators == "_" || separators == "__"
        if !allowed { return false }
    }
    return true
}

/// A host name or address with an optional port: labels of letters, digits and inner hyphens; or `[` IPv6 `]`.
private func isDomain(_ bytes: ArraySlice<UInt8>) -> Bool {
    var host = bytes
    if bytes.first == "[" {
        guard let close = bytes.firstIndex(of: "]") else { return false }
        let address = bytes[(bytes.startIndex + 1)..<close]
        guard !address.isEmpty, address.allSatisfy({ isHexDigit($0 | 0x20) || isDigit($0) || $0 == ":" })
        else {
            return false
        }
        let port = bytes[(close + 1)...]
        return port.isEmpty || (port.first == ":" && isPort(port.dropFirst()))
    }
    if let colon = bytes.firstIndex(of: ":") {
        guard isPort(bytes[(colon + 1)...]) else { return false }
        host = bytes[..<colon]
    }
    return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
        guard let first = label.first, let last = label.last else { return false }
        return isLetterOrDigit(first) && isLetterOrDigit(last)
            && label.allSatisfy { isLetterOrDigit($0) || $0 == "-" }
    }
}

private func isPort(_ bytes: ArraySlice<UInt8>) -> Bool {
    (1...5).contains(bytes.count) && bytes.allSatisfy(isDigit)
}
