package import Attestations
package import ClientServices
import DockerfileFrontend
package import Exporters
package import LLB
package import LinuxSystem
package import OCI
package import Operations
package import RemoteCache
package import Sandboxes
package import SystemPackage
import Text

/// One build as a user asks for it.
package struct BuildRequest: Sendable {
    /// What COPY and ADD take files from.
    package var context: ContextLocation
    /// The directory of a context that is not one of the client's; nil for all of it.
    ///
    /// A Dockerfile in the context is found from the root all the same.
    package var contextSubdirectory: [UInt8]?
    package var dockerfile: DockerfileLocation
    /// Where the directories come from that the client offers; nil for a client that shares this machine's.
    package var offeredFiles: (any LocalFiles)?
    /// Whether the client may want to look into what steps leave that fail.
    package var keepsRemains = false
    /// What sources the build may use, and what it uses in place of others.
    package var sourcePolicies: [SourcePolicy] = []
    /// Decides about sources besides.
    package var sourceCheck: (any SourceCheck)?
    /// Whether the Dockerfile may name another frontend; not where the request has chosen one.
    package var namesFrontend = true
    /// The sessions that offer directories of a name, where it is not the build's own.
    package var localSessions: [[UInt8]: [UInt8]] = [:]
    /// What tells the directory of a named context from others that the client gave the same name.
    package var directoryKeys: [[UInt8]: [UInt8]] = [:]
    /// Graphs that the client made, by the names that contexts have for them.
    package var inputs: [[UInt8]: Definition] = [:]
    /// The configurations of the images of graphs, as far as the client has them.
    package var inputConfigurations: [[UInt8]: ImageConfiguration] = [:]
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
    /// Whether the result is an index although it is of one platform; nil where nothing is said.
    package var asksForIndex: Bool?
    /// Whether only the first platform's findings in the Dockerfile are told, which is what BuildKit's clients expect.
    package var warnsOfFirstPlatformOnly = false
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
    /// `--allow device`.
    package var deviceGrants = DeviceGrants()
    /// `--ulimit`: limits of the processes of RUN.
    package var limits: [ResourceLimit] = []
    /// `--resource`: what a RUN step may use of the machine.
    package var resources = Resources()
    /// `--shm-size`: bytes of `/dev/shm`; 0 is the default.
    package var sharedMemorySize: Int64 = 0
    /// `--cgroup-parent`: below which cgroup steps run; empty is the default.
    package var controlGroupParent: [UInt8] = []
    /// The host's name that steps see; empty is the default.
    package var hostname: [UInt8] = []
    /// How much of the output of each step is shown.
    package var logLimits = LogLimits()
    /// `--secret`, by id.
    package var secrets: [[UInt8]: SecretSource]
    /// `--ssh`, by id.
    package var agents: [(id: [UInt8], source: AgentSource)]
    /// What is to be said of the result.
    package var attestations = AttestationOptions()
    /// The provenance that is recorded of the build, whatever the result says of itself; nil for none.
    package var recordedProvenance: ProvenanceOptions?
    /// What provenance tells of the request: the frontend and its arguments.
    package var parameters = BuildParameters()
    /// Who is asked for other secrets and agents, and for uploads; nil for a client that shares this machine.
    package var client: (any RemoteClient)?

    /// Where RUN steps find a network unless their own flag says otherwise.
    package enum Network: String, Sendable, CaseIterable {
        case `default`, none, host
    }

    /// Whether a context's name that is no directory is an address: of a repository, or of a file of a web server.
    package static func isAddress(_ text: [UInt8]) -> Bool {
        GitSource.mayBeRepository(text)
            || ["http://", "https://", "github.com/"].contains { text.starts(with: $0.utf8) }
    }

    /// Whether a context's name is the address of a repository that is reached with ssh.
    package static func isOverSSH(_ text: [UInt8]) -> Bool {
        let address = text.prefix { $0 != "#" && $0 != "?" }
        return GitSource.mayBeRepository(text) && GitRemote(parsing: Array(address))?.transport == .ssh
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
        exports = [.image()]
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
    package var isMultiPlatform: Bool {
        if platforms.count > 1 { return true }
        if let asksForIndex { return asksForIndex }
        return hasTrueArgument("BUILDKIT_MULTI_PLATFORM")
    }

    /// What histories call the build: `BUILDKIT_BUILD_NAME`, else its context.
    var name: [UInt8] {
        argument("BUILDKIT_BUILD_NAME").flatMap { $0.isEmpty ? nil : $0 } ?? context.name
    }

    /// The value of a build argument; nil where it is not given.
    func argument(_ name: String) -> [UInt8]? {
        buildArguments.last { $0.name.elementsEqual(name.utf8) }?.value
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
    /// A directory that the client offers under a name.
    case offered([UInt8])
    /// What a graph of the client gives.
    case graph(Definition)

    /// What names it in histories and messages, without credentials.
    package var name: [UInt8] {
        switch self {
        case .directory(let path): path.bytes
        case .address(let address): withoutCredentials(address)
        case .stream: "-"
        case .offered(let name): name
        case .graph: "graph"
        }
    }

    /// Whether its files are not where a client could name one by a path of its own.
    package var isRemote: Bool { if case .directory = self { false } else { true } }

    /// The name under which the client offers it.
    package var offeredName: [UInt8]? { if case .offered(let name) = self { name } else { nil } }
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
    /// A path inside of a directory that the client offers under a name; `dockerfile` stands in for `Dockerfile`.
    case offered([UInt8], FilePath)
    /// A path inside of what a graph of the client gives; the same goes for it.
    case graph(Definition, FilePath)

    /// Whether it is looked for among the files of the context, wherever those are.
    var isInContext: Bool {
        switch self {
        case .default, .inContext: true
        case .file, .content, .address, .offered, .graph: false
        }
    }
}

/// What a build gave.
package struct BuildResult: Sendable {
    /// The build's own id, under which `explain` finds it.
    package let buildID: String
    /// Nil where only files were asked for.
    package let image: ExportedImage?
    /// Of the build cache that was written.
    package let cacheManifest: Descriptor?
    /// How each image came to be, where the request asks for it.
    package var provenance: [RecordedProvenance] = []

    package init(buildID: String, image: ExportedImage?, cacheManifest: Descriptor? = nil) {
        self.buildID = buildID
        self.image = image
        self.cacheManifest = cacheManifest
    }
}
