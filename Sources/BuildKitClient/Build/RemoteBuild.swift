package import ClientServices
package import LLB
package import LinuxSystem
package import Settings
package import SystemPackage

/// A build as a client asks a daemon of BuildKit for it, with all that the client offers meanwhile.
package struct RemoteBuild: Sendable {
    /// What the daemon knows the build by; drawn at random.
    package let reference: String
    /// Attributes of the frontend `dockerfile.v0`, under the names that BuildKit has for them.
    package var attributes: [String: String] = [:]
    package var outputs: [RemoteOutput] = []
    package var cacheSources: [RemoteCacheEntry] = []
    package var cacheDestinations: [RemoteCacheEntry] = []
    package var entitlements: [String] = []
    /// What the client keeps from build to build is found again at the daemon by it; empty for nothing.
    package var sharedKey = ""

    /// Graphs that stand for contexts, by their names.
    package var inputs: [String: Definition] = [:]

    // MARK: Offers

    /// Directories by the names that attributes have for them.
    package var directories: [String: FilePath] = [:]
    /// Files that addresses of the host `buildkit-session` name, by the last component of their path.
    package var uploads: [String: UploadSource] = [:]
    package var services = ClientServices()
    package var credentials: any CredentialSource
    /// Stores of content by their names.
    package var stores: [String: FilePath] = [:]

    package init(credentials: any CredentialSource) {
        self.credentials = credentials
        reference = Self.randomID()
    }

    /// The directories of blobs that the daemon may use, by the names that it has for them.
    var contentDirectories: [String: ContentDirectory] {
        var directories = stores.mapValues { ContentDirectory($0) }
        for case .layout(let path) in outputs.map(\.destination) { directories["export"] = ContentDirectory(path) }
        return directories
    }

    /// The directories of blobs that the daemon writes to, and what they get.
    package var writtenDirectories: [(directory: ContentDirectory, content: ContentDirectory.Written)] {
        let layouts = outputs.compactMap { output -> (ContentDirectory, ContentDirectory.Written)? in
            guard case .layout(let path) = output.destination else { return nil }
            return (ContentDirectory(path), .image)
        }
        let caches = cacheDestinations.compactMap { entry -> (ContentDirectory, ContentDirectory.Written)? in
            guard entry.type == "local", let path = entry.attributes["dest"] else { return nil }
            let removesUnused = ["1", "t", "true"].contains(entry.attributes["reset"]?.lowercased() ?? "")
            let tag = entry.attributes["tag"] ?? "latest"
            return (ContentDirectory(FilePath(path)), .cache(tag: tag, removesUnused: removesUnused))
        }
        return layouts + caches
    }

    /// A name that nothing else has.
    package static func randomID() -> String {
        (0..<2).map { _ in String(UInt64.random(in: 1 << 60 ... .max), radix: 36) }.joined()
    }
}

/// A file that is sent to the daemon once, while it is read.
package struct UploadSource: Sendable {
    package typealias Send = @Sendable (@Sendable ([UInt8]) async throws -> Void) async throws -> Void

    let send: Send

    /// - Parameter send: gives the pieces of the file to what it is called with.
    package init(_ send: @escaping Send) { self.send = send }
}

/// What becomes of the result of a build.
package struct RemoteOutput: Sendable {
    /// Where what the daemon sends is put.
    package enum Destination: Sendable {
        /// The result stays with the daemon, or goes somewhere from there.
        case none
        /// A file that appears when it is complete.
        case file(FilePath)
        /// An open file, as standard output.
        case open(OpenFile)
        case directory(FilePath, deletesOthers: Bool)
        /// A directory in the form of the OCI image layout.
        case layout(FilePath)
    }

    package var type: String
    package var attributes: [String: String]
    package var destination: Destination

    package init(type: String, attributes: [String: String], destination: Destination = .none) {
        self.type = type
        self.attributes = attributes
        self.destination = destination
    }
}

/// A cache that a build reads or writes.
package struct RemoteCacheEntry: Sendable, Hashable {
    package var type: String
    package var attributes: [String: String]

    package init(type: String, attributes: [String: String]) {
        self.type = type
        self.attributes = attributes
    }
}
