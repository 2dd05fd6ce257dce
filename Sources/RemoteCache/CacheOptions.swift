package import Archive
package import ClientServices
package import OCI
package import SystemPackage

/// Where a build cache is read from (`--cache-from`).
package enum CacheSource: Sendable, Hashable {
    /// A cache of its own, or an image with one in it.
    case registry(RegistryCachePlace)
    case local(LocalCacheSource)
    /// Kept by the client of a daemon, under a digest.
    case client(ClientCachePlace, Digest)
    case s3(S3CachePlace)
}

/// Where a build cache goes (`--cache-to`).
package enum CacheDestination: Sendable, Hashable {
    /// Into the configuration of the image.
    case inline
    case registry(RegistryCachePlace)
    case local(LocalCacheDestination)
    /// To the client of a daemon, who writes down itself what a tag leads to.
    case client(ClientCachePlace)
    case s3(S3CachePlace)
}

/// One `--cache-to`.
package struct CacheExport: Sendable, Hashable {
    /// Which layers go along.
    package enum Mode: String, Sendable, Hashable, CaseIterable {
        /// Those of the result.
        case min
        /// Those of all stages.
        case max
    }

    package var destination: CacheDestination
    package var mode: Mode
    package var form: CacheForm
    /// Of layers that have no compressed form yet or, where `isForced`, of all.
    package var compression: Compression
    package var isForced: Bool
    /// Whether the build succeeds although the cache could not be written.
    package var ignoresErrors: Bool

    package init(_ destination: CacheDestination) {
        self.destination = destination
        mode = .min
        form = .imageManifest
        compression = .gzip
        isForced = false
        ignoresErrors = false
    }
}

/// What the document is that a cache's name leads to.
package enum CacheForm: Sendable, Hashable {
    /// An image's manifest with the layers as its layers (`image-manifest=true`).
    case imageManifest
    /// An index with the layers where images would be (`image-manifest=false`).
    case index
    /// The same by Docker's name (`oci-mediatypes=false`).
    case dockerList

    var mediaType: MediaType {
        switch self {
        case .imageManifest: .ociManifest
        case .index: .ociIndex
        case .dockerList: .dockerList
        }
    }
}

/// A cache in a registry.
package struct RegistryCachePlace: Sendable, Hashable {
    package var reference: ImageReference
    /// The reference as the user wrote it.
    package var name: String
    /// Whether plain HTTP, and TLS without looking at certificates, are allowed.
    package var isInsecure: Bool

    package init(_ reference: ImageReference, name: String, isInsecure: Bool = false) {
        self.reference = reference.withDefaultTag
        self.name = name
        self.isInsecure = isInsecure
    }
}

/// A cache in a directory, to be read.
package struct LocalCacheSource: Sendable, Hashable {
    package var path: FilePath
    /// Nil for `latest` or else the only one there is.
    package var tag: String?
    package var digest: Digest?

    package init(path: FilePath, tag: String? = nil, digest: Digest? = nil) {
        self.path = path
        self.tag = tag
        self.digest = digest
    }
}

/// A cache in a directory, to be written.
package struct LocalCacheDestination: Sendable, Hashable {
    package var path: FilePath
    package var tag: String
    /// Whether blobs that no tag needs any more are removed.
    package var removesUnused: Bool

    package init(path: FilePath, tag: String = "latest", removesUnused: Bool = false) {
        self.path = path
        self.tag = tag
        self.removesUnused = removesUnused
    }
}

/// A directory of a cache that the client of a daemon has; two are the same that it calls the same.
package struct ClientCachePlace: Sendable, Hashable {
    package let content: any ContentStore

    package init(_ content: any ContentStore) { self.content = content }

    package static func == (left: ClientCachePlace, right: ClientCachePlace) -> Bool {
        left.content.name == right.content.name
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(content.name) }
}
