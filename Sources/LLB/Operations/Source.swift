import Text

/// A source outside the build, named by a URL-like identifier with attributes, as BuildKit writes it.
package struct Source: Hashable, Sendable {
    /// `scheme://rest`, for example `docker-image://docker.io/library/alpine:3` or `local://context`.
    package var identifier: [UInt8]
    package var attributes: [String: [UInt8]]

    package init(identifier: [UInt8], attributes: [String: [UInt8]] = [:]) {
        self.identifier = identifier
        self.attributes = attributes
    }

    /// The part before `://`, or nothing.
    package var scheme: String { split().scheme }

    /// The part after `://`.
    package var rest: [UInt8] { split().rest }

    private func split() -> (scheme: String, rest: [UInt8]) {
        guard let colon = identifier.firstIndex(of: ":"),
            identifier[colon...].starts(with: "://")
        else { return ("", identifier) }
        return (String(decoding: identifier[..<colon], as: UTF8.self), Array(identifier[(colon + 3)...]))
    }

    /// With its identifier in the form that policies are written for.
    package var normalized: Source {
        guard scheme == Self.gitScheme, var git = try? GitSource(self) else { return self }
        if let directory = git.subdirectory {
            // As if the repository were all there is.
            var parts: [ArraySlice<UInt8>] = []
            for part in directory.split(separator: "/") where part != "." {
                if part == ".." { _ = parts.popLast() } else { parts.append(part) }
            }
            git.subdirectory = parts.isEmpty ? nil : Array(parts.joined(separator: "/".utf8))
        }
        var source = self
        source.identifier = git.source.identifier
        return source
    }

    package static let imageScheme = "docker-image"
    package static let layoutScheme = "oci-layout"
    /// One blob of a registry's repository.
    package static let imageBlobScheme = "docker-image+blob"
    /// One blob of a layout of the client.
    package static let layoutBlobScheme = "oci-layout+blob"
    /// The attribute of a `oci-layout://` source that names the directory.
    package static let layoutStore = "oci.store"
    /// The attribute that names the session of the client whose directory it is.
    package static let layoutSession = "oci.session"
    package static let localScheme = "local"
    package static let httpScheme = "http"
    package static let httpsScheme = "https"
    package static let gitScheme = "git"
}

/// Where the image of an `oci-layout://` source is.
package struct LayoutStore: Hashable, Sendable {
    /// What the client calls the directory.
    package var name: [UInt8]
    /// The session that offers it; empty for that of the build.
    package var session: [UInt8]

    package init(name: [UInt8], session: [UInt8] = []) {
        self.name = name
        self.session = session
    }

    /// Reads the attributes of a source; nil for one of another scheme.
    package init?(_ source: Source) {
        guard source.scheme == Source.layoutScheme else { return nil }
        name = source.attributes[Source.layoutStore] ?? []
        session = source.attributes[Source.layoutSession] ?? []
    }
}

/// A directory that the client offers under a name: which of its files the build may see.
package struct LocalSource: Hashable, Sendable {
    /// The name of the directory, for example `context`.
    package var name: [UInt8]
    /// Only what one of these matches, in `.dockerignore` syntax; empty means everything.
    package var includePatterns: [[UInt8]] = []
    /// Not what these match, in `.dockerignore` syntax and order.
    package var excludePatterns: [[UInt8]] = []
    /// Paths that are wanted even where they are behind a symbolic link.
    package var followPaths: [[UInt8]] = []
    /// Keeps the directory apart from others of the same name.
    package var sharedKeyHint: [UInt8] = []
    /// The session of the client whose directory it is; empty for that of the build.
    package var session: [UInt8] = []
    /// Whether a file counts as unchanged that has the size, the time and the owner of the last time.
    package var comparesMetadata = true
    /// Patterns of what is brought besides the metadata of all files; nil for all files.
    package var metadataExceptions: [[UInt8]]?

    package init(name: [UInt8]) { self.name = name }

    /// Reads the attributes of a `local://` source.
    /// - Throws: `LLBError.invalidSource` for another scheme or a list that is not a JSON array of strings.
    package init(_ source: Source) throws(LLBError) {
        guard source.scheme == Source.localScheme else {
            throw .invalidSource(source.identifier, reason: "not a local source")
        }
        name = source.rest
        includePatterns = try Self.list("local.includepattern", of: source)
        excludePatterns = try Self.list("local.excludepatterns", of: source)
        followPaths = try Self.list("local.followpaths", of: source)
        sharedKeyHint = source.attributes["local.sharedkeyhint"] ?? []
        session = source.attributes["local.session"] ?? []
        comparesMetadata = source.attributes["local.differ"] != Self.comparesNothing
        if let flag = source.attributes["local.metadatatransfer"],
            ["1", "t", "T", "true", "TRUE", "True"].contains(flag)
        {
            metadataExceptions = try Self.list("local.metadatatransferexclude", of: source)
        }
        // An old form that names the client, too.
        if let colon = session.firstIndex(of: ":") {
            name = session[..<colon] + "-" + name
            session = Array(session[(colon + 1)...])
        }
    }

    /// The wire form.
    package var source: Source {
        var attributes: [String: [UInt8]] = [:]
        if !includePatterns.isEmpty { attributes["local.includepattern"] = encodeStringList(includePatterns) }
        if !excludePatterns.isEmpty { attributes["local.excludepatterns"] = encodeStringList(excludePatterns) }
        if !followPaths.isEmpty { attributes["local.followpaths"] = encodeStringList(followPaths) }
        if !sharedKeyHint.isEmpty { attributes["local.sharedkeyhint"] = sharedKeyHint }
        if !session.isEmpty { attributes["local.session"] = session }
        if let metadataExceptions {
            attributes["local.metadatatransfer"] = "true"
            attributes["local.metadatatransferexclude"] = encodeStringList(metadataExceptions)
        }
        if !comparesMetadata { attributes["local.differ"] = Self.comparesNothing }
        return Source(identifier: "\(Source.localScheme)://" + name, attributes: attributes)
    }

    private static let comparesNothing: [UInt8] = "none"

    private static func list(_ key: String, of source: Source) throws(LLBError) -> [[UInt8]] {
        guard let value = source.attributes[key] else { return [] }
        guard let list = decodeStringList(value) else {
            throw .invalidSource(source.identifier, reason: "\(key) is not a JSON array of strings")
        }
        return list
    }
}
