import DockerfileFrontend
package import Images
package import LLB
package import LinuxSystem
package import OCI
package import RemoteCache
package import Sessions
package import SystemPackage

/// One build as a user asks for it.
package struct BuildRequest: Sendable {
    /// What COPY and ADD take files from.
    package var context: ContextLocation
    package var dockerfile: DockerfileLocation
    /// `--build-context`: what names of stages and images lead to instead.
    package var namedContexts: [(name: [UInt8], value: [UInt8])] = []
    /// What relative paths of named contexts start from.
    package var workingDirectory: FilePath = "."
    /// The stage to build; nil means the last.
    package var target: [UInt8]?
    /// `--build-arg`, in the order given; a later one of the same name wins.
    package var buildArguments: [(name: [UInt8], value: [UInt8])]
    /// `--label`, set on the image after everything else.
    package var labels: [(name: [UInt8], value: [UInt8])]
    /// What to build for, each once; none means the platform of this machine.
    package var platforms: [Platform]
    /// `-t`: the names that the image gets.
    package var names: [ImageReference]
    package var exports: [Export]
    /// `--no-cache`: runs every step again.
    package var ignoresCache: Bool
    /// `--no-cache-filter`: the stages whose steps run again.
    package var uncachedStages: Set<String> = []
    /// `--cache-from`, in the order given.
    package var cacheSources: [CacheSource] = []
    /// `--cache-to`.
    package var cacheExports: [CacheExport] = []
    /// `--pull`: ask the registry even for base images that are in the store.
    package var pullsBaseImages: Bool
    package var network: Network
    /// `--add-host`: names and addresses for `/etc/hosts` of RUN steps.
    package var extraHosts: [(name: [UInt8], address: [UInt8])]
    /// `--allow`: what steps may ask for beyond what every step has.
    package var entitlements: Set<Entitlement> = []
    /// `--ulimit`: limits of the processes of RUN.
    package var limits: [RunLimit] = []
    /// `--resource`: what a RUN step may use of the machine.
    package var resources = Resources()
    /// `--shm-size`: bytes of `/dev/shm`; 0 is the default.
    package var sharedMemorySize: Int64 = 0
    /// `--cgroup-parent`: below which cgroup steps run; empty is the default.
    package var controlGroupParent: [UInt8] = []
    /// `--secret`, by id.
    package var secrets: [[UInt8]: SecretSource]
    /// `--ssh`, by id.
    package var agents: [(id: [UInt8], source: AgentSource)]

    /// Where RUN steps find a network unless their own flag says otherwise.
    package enum Network: String, Sendable, CaseIterable {
        case `default`, none, host
    }

    /// Whether a context's name that is no directory is an address: of a repository, or of a file of a web server.
    package static func isAddress(_ text: [UInt8]) -> Bool {
        GitSource.mayBeRepository(text)
            || ["http://", "https://", "github.com/"].contains { text.starts(with: $0.utf8) }
    }

    /// A build whose context is a directory.
    package init(context: FilePath) { self.init(.directory(context)) }

    package init(_ context: ContextLocation) {
        self.context = context
        dockerfile = .default
        buildArguments = []
        labels = []
        platforms = []
        names = []
        exports = [.image]
        ignoresCache = false
        pullsBaseImages = false
        network = .default
        extraHosts = []
        secrets = [:]
        agents = []
    }
}

extension BuildRequest {
    /// Whether the result is an index of images, also where it is of one.
    var isMultiPlatform: Bool {
        if platforms.count > 1 { return true }
        return hasTrueArgument("BUILDKIT_MULTI_PLATFORM")
    }
}

/// What files a build works with, and from where.
package enum ContextLocation: Sendable {
    /// Read in place.
    case directory(FilePath)
    /// A git repository, or a file of a web server: an archive of files, or else the Dockerfile.
    case address([UInt8])
    /// An archive of files, or a Dockerfile.
    case stream(StandardStream)

    /// What names it in histories and messages, without credentials.
    package var name: [UInt8] {
        switch self {
        case .directory(let path): path.bytes
        case .address(let address): withoutCredentials(address)
        case .stream: [UInt8(ascii: "-")]
        }
    }

    /// Whether its files are not where a client could name one by a path of its own.
    package var isRemote: Bool { if case .directory = self { false } else { true } }
}

/// Where the Dockerfile is.
package enum DockerfileLocation: Sendable {
    /// `Dockerfile` in the context, else `dockerfile`.
    case `default`
    /// `-f`: a file of the host, relative to the working directory, in the context or not.
    case file(FilePath)
    /// `-f -`: what was read from standard input.
    case content([UInt8])
    /// A path inside of a context that is no directory of this machine.
    case inContext(FilePath)
    /// A file of a web server.
    case address([UInt8])
}

/// What becomes of the result.
package enum Export: Sendable {
    /// An image in the local store, under the names of the request.
    case image
    /// The image in the registries that the request's names lead to.
    case registry
    /// The files of the result in a directory (`type=local`). They are split into one directory for each platform where that is asked
    /// for or, by default, where the result is of several.
    case directory(FilePath, split: Bool? = nil)
    /// The files of the result as one archive (`type=tar`).
    case tar(ExportDestination, split: Bool? = nil)
    /// The image as an OCI layout in an archive (`type=oci`).
    case ociArchive(ExportDestination)
    /// The image as `docker save` writes it (`type=docker`).
    case dockerArchive(ExportDestination)
}

/// Where an exported archive goes.
package enum ExportDestination: Sendable {
    /// Written aside and moved into place when it is complete.
    case file(FilePath)
    /// An open file, as standard output.
    case open(OpenFile)
}

/// What a build gave.
package struct BuildResult: Sendable {
    /// The image's id: the digest of its configuration, or of the index of an image of several platforms.
    package let imageID: Digest
    /// The index of an image of several platforms.
    package let index: Descriptor?
    /// The build's own id, under which `explain` finds it.
    package let buildID: String
    /// The names that the image got.
    package let names: [ImageReference]
    /// What was put into registries.
    package let pushed: [PushedImage]
    /// Of the build cache that was written.
    package let cacheManifest: Descriptor?

    package init(
        imageID: Digest,
        index: Descriptor? = nil,
        buildID: String,
        names: [ImageReference] = [],
        pushed: [PushedImage] = [],
        cacheManifest: Descriptor? = nil
    ) {
        self.imageID = imageID
        self.index = index
        self.buildID = buildID
        self.names = names
        self.pushed = pushed
        self.cacheManifest = cacheManifest
    }
}
