package import OCI

/// What a result was made of: everything that came from outside of the build.
package struct Materials: Sendable, Hashable {
    package struct Image: Sendable, Hashable {
        /// As the build names it.
        package let reference: ImageReference
        package let platform: Platform?
        package let digest: Digest?
        /// Whether it is in a layout directory of the client, and not in a registry.
        package let isOfLayout: Bool
        /// Whether it is one blob of a repository rather than an image.
        package let isBlob: Bool

        package init(
            _ reference: ImageReference,
            platform: Platform?,
            digest: Digest?,
            isOfLayout: Bool = false,
            isBlob: Bool = false
        ) {
            self.isBlob = isBlob
            self.reference = reference
            self.platform = platform
            self.digest = digest
            self.isOfLayout = isOfLayout
        }
    }

    /// A commit of a git repository.
    package struct Commit: Sendable, Hashable {
        /// With the name that led to the commit as its fragment, and without credentials.
        package let address: String
        package let id: String
        /// The blob that had it; nil for the repository itself.
        package let bundle: Image?
    }

    /// A file of a web server.
    package struct Download: Sendable, Hashable {
        /// Without credentials.
        package let address: String
        package let digest: Digest
    }

    /// A secret or an agent that steps may use.
    package struct ClientService: Sendable, Hashable {
        package let id: String
        /// Whether no step needs it.
        package var isOptional: Bool
    }

    package private(set) var images: [Image] = []
    package private(set) var commits: [Commit] = []
    package private(set) var downloads: [Download] = []
    /// Names of the client's directories.
    package private(set) var directories: Set<String> = []
    package private(set) var secrets: [ClientService] = []
    package private(set) var agents: [ClientService] = []
    /// Whether a step could reach a network.
    package var usesNetwork = false
    /// Whether something that was used is not told of.
    package var isIncomplete = false

    package init() {}

    // MARK: Taking in

    package mutating func add(_ image: Image) {
        let isKnown = images.contains { known in
            known.reference == image.reference && known.isOfLayout == image.isOfLayout
                && Self.isSame(known.platform, image.platform)
        }
        if !isKnown { images.append(image) }
    }

    // Two images of one index differ by more than their features of the system.
    private static func isSame(_ first: Platform?, _ second: Platform?) -> Bool {
        guard let first, let second else { return first == nil && second == nil }
        return first.architecture == second.architecture && first.os == second.os
            && first.osVersion == second.osVersion && first.variant == second.variant
    }

    package mutating func addCommit(_ id: String, at address: String, of bundle: Image? = nil) {
        let shown = redacted(address)
        if commits.contains(where: { $0.address == shown }) { return }
        commits.append(Commit(address: shown, id: id, bundle: bundle))
    }

    package mutating func addDownload(_ digest: Digest, at address: String) {
        let shown = redacted(address)
        if !downloads.contains(where: { $0.address == shown }) {
            downloads.append(Download(address: shown, digest: digest))
        }
    }

    package mutating func addDirectory(_ name: String) { directories.insert(name) }

    package mutating func addSecret(_ id: String, isOptional: Bool) { Self.add(id, isOptional, to: &secrets) }

    package mutating func addAgent(_ id: String, isOptional: Bool) {
        Self.add(id.isEmpty ? "default" : id, isOptional, to: &agents)
    }

    private static func add(_ id: String, _ isOptional: Bool, to services: inout [ClientService]) {
        if let known = services.firstIndex(where: { $0.id == id }) {
            if !isOptional { services[known].isOptional = false }
        } else {
            services.append(ClientService(id: id, isOptional: isOptional))
        }
    }

    /// Takes in what another result was made of.
    package mutating func merge(_ other: Materials) {
        for image in other.images { add(image) }
        for commit in other.commits { addCommit(commit.id, at: commit.address, of: commit.bundle) }
        for download in other.downloads { addDownload(download.digest, at: download.address) }
        directories.formUnion(other.directories)
        for secret in other.secrets { addSecret(secret.id, isOptional: secret.isOptional) }
        for agent in other.agents { addAgent(agent.id, isOptional: agent.isOptional) }
        usesNetwork = usesNetwork || other.usesNetwork
        isIncomplete = isIncomplete || other.isIncomplete
    }

    // MARK: Telling

    /// In order, and without images by digest where the name that led to them is there.
    package var sorted: Materials {
        func name(_ image: Image) -> String { image.reference.repository + ":" + (image.reference.tag ?? "latest") }
        let named = Set(images.filter { $0.reference.digest == nil }.map(name))
        var result = self
        result.images = images.filter { $0.reference.digest == nil || !named.contains(name($0)) }
            .stablySorted { "\($0.reference)" }
        result.commits = commits.stablySorted(by: \.address)
        result.downloads = downloads.stablySorted(by: \.address)
        result.secrets = secrets.stablySorted(by: \.id)
        result.agents = agents.stablySorted(by: \.id)
        return result
    }

    /// Whether everything that was used is told of by a digest.
    package var areComplete: Bool { !isIncomplete && directories.isEmpty }

    /// Whether the result can depend on nothing that is not told of.
    package var areHermetic: Bool { areComplete && !usesNetwork }
}

extension [Materials.Image] {
    /// Without those of other platforms, where each platform of a build has one of the same name.
    package func only(for platform: Platform, of platforms: [Platform]) -> [Element] {
        func has(_ reference: ImageReference, _ platform: Platform) -> Bool {
            contains { image in
                image.reference == reference && image.platform.map { platform.accepts($0) } ?? false
            }
        }
        return filter { image in
            guard let own = image.platform, platforms.allSatisfy({ has(image.reference, $0) }) else { return true }
            return own.os == platform.os && own.architecture == platform.architecture
        }
    }
}

extension Array {
    fileprivate func stablySorted(by key: (Element) -> String) -> [Element] {
        enumerated().sorted { first, second in
            let (left, right) = (key(first.element), key(second.element))
            return left == right ? first.offset < second.offset : left < right
        }.map(\.element)
    }
}

/// An address whose user and password are masked, as BuildKit's attestations have it.
package func redacted(_ address: String) -> String {
    guard let mark = address.firstRange(of: "://") else { return address }
    let authority = address[mark.upperBound...].prefix { !"/?#".contains($0) }
    guard let at = authority.lastIndex(of: "@") else { return address }
    let user = authority[..<at]
    if user.isEmpty { return address }
    let parts = user.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let name = parts[0].isEmpty ? "" : "xxxxx"
    let masked = parts.count > 1 ? "\(name):xxxxx" : name
    return address[..<mark.upperBound] + masked + address[at...]
}
