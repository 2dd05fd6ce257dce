package import DockerfileSyntax
package import LLB
package import OCI
package import Text

/// What a build is asked to make of a Dockerfile.
package struct BuildOptions: Sendable {
    /// Which steps run although the cache knows their results.
    package enum CacheBypass: Sendable, Hashable {
        case nowhere
        case everywhere
        /// In the stages of these names.
        case stages(Set<String>)
    }

    /// Whether the Dockerfile may name another frontend, so that it is refused.
    package var namesFrontend = true
    /// The stage to build, by name or number; nil for the last.
    package var target: String?
    /// `--build-arg`.
    package var buildArguments = Variables()
    /// `--label`: set last, over what the Dockerfile says.
    package var labels: [String: String] = [:]
    /// The platform to build for; nil for the builder's own, unless a base image is of another.
    package var platform: Platform?
    /// The platform that builds.
    package var buildPlatform = Platform.current
    /// Whether this is one of several builds for several platforms: titles then name the platform.
    package var isMultiPlatform = false
    package var cacheBypass = CacheBypass.nowhere
    /// The network of RUN steps that do not ask for one.
    package var network = NetworkMode.sandbox
    /// Whether RUN may ask for the host's network.
    package var allowsHostNetwork = false
    /// Whether RUN may ask to run without confinement.
    package var allowsInsecure = false
    /// Says why RUN cannot have a device; nil where it can.
    package var deviceObstacle: @Sendable (Device) -> String? = { _ in nil }
    /// Finds the time of what `SOURCE_DATE_EPOCH` names, in seconds since 1970; without it the name stays a name.
    package var sourceTime: (@Sendable (SourceDate) async throws -> Int64?)?
    package var hostname: [UInt8] = []
    package var extraHosts: [HostAddress] = []
    package var limits: [ResourceLimit] = []
    package var cgroupParent: [UInt8] = []
    package var resources: Resources?
    /// The size of `/dev/shm` in RUN steps, in bytes; 0 for the default.
    package var sharedMemorySize: Int64 = 0
    /// The name of the local source that the build context is.
    package var contextName: [UInt8] = "context"
    /// The session of the client that offers it; empty for that of the build.
    package var contextSession: [UInt8] = []
    /// The build context, if it is not a directory of the client.
    package var context: Output?
    /// What names of stages and images lead to instead (`--build-context`).
    package var namedContexts = NamedContexts()
    /// The context's ignore file; nil where it has none.
    package var ignoreFile: IgnoreFile?
    /// The message of the graph that the Dockerfile comes from, for tools that look for what is beside it; nil if unknown.
    package var dockerfileGraph: [UInt8]?
    /// Replaces the `# check=` directive.
    package var lintOptions: LintOptions?

    package init() {}
}
