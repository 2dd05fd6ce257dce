internal import OCI
internal import Text

/// A commit of a git repository, or one directory of it: the tree of its files.
package struct GitSource: Hashable, Sendable {
    package var remote: GitRemote
    /// A branch, a tag, a full name of a reference or a commit; nil for what the repository itself offers.
    package var reference: [UInt8]?
    /// The directory that becomes the root; nil for all of it.
    package var subdirectory: [UInt8]?
    /// What the commit's id must begin with.
    package var checksum: [UInt8]?
    /// Whether `.git` is part of the tree.
    package var keepsGitDirectory = false
    package var skipsSubmodules = false
    /// Whether files have the time of the check-out; the time of the commit, which is the same on every day, otherwise.
    package var hasCheckoutTimes = false
    /// The secret that holds a token for HTTP.
    package var tokenSecret: [UInt8]?
    /// The secret that holds an `Authorization` header.
    package var authorizationSecret: [UInt8]?
    /// The agent whose keys are used for SSH.
    package var agent: [UInt8]?
    /// Lines in the form of ssh's `known_hosts`.
    package var knownHosts: [UInt8]?
    /// What must have signed the commit or its tag; nil for nothing.
    package var signing: Signing?
    /// The git bundle that has the commit; nil for the repository itself.
    ///
    /// See git-bundle(1).
    package var bundle: ImageBlobSource?
    /// Whether the tree is one file, `bundle`, that has the commit with its history, rather than the commit's files.
    package var makesBundle = false

    /// The keys of which one must have signed a commit or the annotated tag that leads to it.
    package struct Signing: Hashable, Sendable {
        /// Blocks of PGP keys as text, or one key of ssh.
        package var publicKeys: [UInt8]
        /// Whether a key must be valid still.
        package var rejectsExpired = false
        /// Whether a signed commit does not do.
        package var requiresSignedTag = false
        /// Whether only a signed commit does.
        package var ignoresSignedTag = false

        package init(publicKeys: [UInt8]) { self.publicKeys = publicKeys }
    }

    package init(remote: GitRemote) { self.remote = remote }

    /// Reads the attributes of a `git://` source.
    /// - Throws: `LLBError.invalidSource` for another scheme or a malformed address.
    package init(_ source: Source) throws(LLBError) {
        func fail(_ reason: String) -> LLBError {
            .invalidSource(withoutCredentials(source.identifier), reason: reason)
        }
        guard source.scheme == Source.gitScheme else { throw fail("not a git source") }
        let parts = source.rest.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        let address = source.attributes["git.fullurl"] ?? "https://" + (parts.first ?? [])
        guard let remote = GitRemote(parsing: address) else { throw fail("the address of the repository is not valid") }
        self.init(remote: remote)
        if parts.count > 1 { setFragment(parts[1]) }
        for (key, value) in source.attributes {
            switch key {
            // All are read below.
            case _ where Self.signingKeys.contains(key): continue
            case _ where key.hasPrefix("git.sig."): throw fail("unknown rule for signatures \(key)")
            case "git.checksum": checksum = value.isEmpty ? nil : value
            case "git.keepgitdir": keepsGitDirectory = value == "true"
            case "git.skipsubmodules": skipsSubmodules = value == "true"
            case "git.mtime": hasCheckoutTimes = value == "checkout"
            case "git.authtokensecret": tokenSecret = value
            case "git.authheadersecret": authorizationSecret = value
            case "git.mountsshsock": agent = value
            case "git.knownsshhosts": knownHosts = value
            default: continue
            }
        }
        signing = Self.signing(source)
        do {
            try takeBundles(of: source)
        } catch {
            throw fail(error.reason)
        }
    }

    private static let bundleKey = "git.bundle"
    private static let makesBundleKey = "git.checkoutbundle"

    private struct InvalidBundle: Error {
        let reason: String
    }

    private mutating func takeBundles(of source: Source) throws(InvalidBundle) {
        if let locator = source.attributes[Self.bundleKey], !locator.isEmpty {
            bundle = try Self.bundle(at: locator, of: source)
            guard let checksum else { throw InvalidBundle(reason: "git.bundle requires git.checksum to be set") }
            if let reference, Self.isCommit(reference), !reference.starts(with: checksum) {
                let (expected, actual) = (escapedForDisplay(checksum), escapedForDisplay(reference))
                throw InvalidBundle(reason: "expected checksum to match \(expected), got \(actual)")
            }
        }
        makesBundle = source.attributes[Self.makesBundleKey].map { $0 == "true" } ?? false
        guard makesBundle else { return }
        if keepsGitDirectory { throw InvalidBundle(reason: "git.checkoutbundle is incompatible with git.keepgitdir") }
        if subdirectory != nil { throw InvalidBundle(reason: "git.checkoutbundle is incompatible with git.subdir") }
    }

    private static func bundle(at locator: [UInt8], of source: Source) throws(InvalidBundle) -> ImageBlobSource {
        var blob = Source(identifier: locator, attributes: [:])
        for key in [Source.layoutStore, Source.layoutSession] { blob.attributes[key] = source.attributes[key] }
        if blob.scheme == Source.layoutBlobScheme, blob.attributes[Source.layoutStore, default: []].isEmpty {
            // The name in the locator is that of the layout.
            blob.attributes[Source.layoutStore] = Array(blob.rest.prefix { $0 != "@" })
        }
        guard [Source.imageBlobScheme, Source.layoutBlobScheme].contains(blob.scheme) else {
            throw InvalidBundle(
                reason: "the scheme of the git.bundle locator \"\(escapedForDisplay(locator))\" is not supported; "
                    + "it must be \(Source.imageBlobScheme) or \(Source.layoutBlobScheme)"
            )
        }
        do {
            return try ImageBlobSource(blob)
        } catch {
            throw InvalidBundle(reason: "\(error)")
        }
    }

    /// Whether a name is the id of a commit: 40 or 64 lower-case hexadecimal digits.
    package static func isCommit(_ text: [UInt8]) -> Bool {
        [40, 64].contains(text.count) && text.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    private static let publicKey = "git.sig.pubkey"
    private static let expiredKey = "git.sig.rejectexpired"
    private static let requiredTagKey = "git.sig.requiresignedtag"
    private static let ignoredTagKey = "git.sig.ignoresignedtag"
    private static let signingKeys = [publicKey, expiredKey, requiredTagKey, ignoredTagKey]

    /// A rule without a key is one that no signature meets.
    private static func signing(_ source: Source) -> Signing? {
        guard signingKeys.contains(where: { source.attributes[$0] != nil }) else { return nil }
        func isSet(_ key: String) -> Bool { source.attributes[key]?.elementsEqual("true".utf8) ?? false }
        var signing = Signing(publicKeys: source.attributes[publicKey] ?? [])
        signing.rejectsExpired = isSet(expiredKey)
        signing.requiresSignedTag = isSet(requiredTagKey)
        signing.ignoresSignedTag = isSet(ignoredTagKey)
        return signing
    }

    /// Takes in `reference:subdirectory`.
    package mutating func setFragment(_ fragment: ArraySlice<UInt8>) {
        let parts = fragment.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        if let first = parts.first, !first.isEmpty { reference = Array(first) }
        if parts.count > 1, !parts[1].isEmpty { subdirectory = Array(parts[1]) }
    }

    /// The wire form.
    package var source: Source {
        var identifier: [UInt8] = "\(Source.gitScheme)://" + remote.host + remote.path
        if reference != nil || subdirectory != nil { identifier += "#" + (reference ?? []) }
        if let subdirectory { identifier += ":" + subdirectory }
        var attributes: [String: [UInt8]] = ["git.fullurl": remote.address]
        if let checksum { attributes["git.checksum"] = checksum }
        if keepsGitDirectory { attributes["git.keepgitdir"] = "true" }
        if skipsSubmodules { attributes["git.skipsubmodules"] = "true" }
        if hasCheckoutTimes { attributes["git.mtime"] = "checkout" }
        if let tokenSecret { attributes["git.authtokensecret"] = tokenSecret }
        if let authorizationSecret { attributes["git.authheadersecret"] = authorizationSecret }
        if let agent { attributes["git.mountsshsock"] = agent }
        if let knownHosts { attributes["git.knownsshhosts"] = knownHosts }
        if let signing {
            attributes[Self.publicKey] = signing.publicKeys
            if signing.rejectsExpired { attributes[Self.expiredKey] = "true" }
            if signing.requiresSignedTag { attributes[Self.requiredTagKey] = "true" }
            if signing.ignoresSignedTag { attributes[Self.ignoredTagKey] = "true" }
        }
        if let bundle {
            attributes[Self.bundleKey] = bundle.locator
            if let layout = bundle.layout {
                attributes[Source.layoutStore] = layout.name
                if !layout.session.isEmpty { attributes[Source.layoutSession] = layout.session }
            }
        }
        if makesBundle { attributes[Self.makesBundleKey] = "true" }
        return Source(identifier: identifier, attributes: attributes)
    }
}

extension Output {
    /// The tree of a commit of a git repository.
    package static func git(_ source: GitSource, metadata: Metadata = Metadata()) throws(LLBError) -> Output {
        Output(try Node(.source(source.source), metadata: metadata))
    }
}
