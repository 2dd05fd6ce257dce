/// A process to run, and the file trees it sees.
package struct Exec: Hashable, Sendable {
    package var process: Process
    /// Where trees and other things appear.
    ///
    /// One of them is mounted at `/`.
    package var mounts: [Mount]
    package var network: NetworkMode
    package var security: SecurityMode
    /// Secrets given as environment variables.
    package var secretEnvironment: [SecretVariable]
    package var devices: [Device]

    package init(
        process: Process,
        mounts: [Mount],
        network: NetworkMode = .sandbox,
        security: SecurityMode = .sandbox,
        secretEnvironment: [SecretVariable] = [],
        devices: [Device] = []
    ) {
        self.process = process
        self.mounts = mounts
        self.network = network
        self.security = security
        self.secretEnvironment = secretEnvironment
        self.devices = devices
    }
}

/// The command to run, its user and its directory.
package struct Process: Hashable, Sendable {
    package var arguments: [[UInt8]]
    /// `NAME=value`, in the order the process sees them.
    package var environment: [[UInt8]]
    /// The working directory; empty means `/`.
    package var directory: [UInt8]
    /// `name`, `uid`, `name:group`, … looked up in the root file system; empty means root.
    package var user: [UInt8]
    package var hostname: [UInt8] = []
    /// Lines added to `/etc/hosts`.
    package var extraHosts: [HostAddress] = []
    package var limits: [ResourceLimit] = []
    package var cgroupParent: [UInt8] = []
    /// Also remove the parent directories that were created for mount points.
    package var removesMountStubsRecursively = false
    /// Exit statuses that count as success; empty means only 0.
    package var validExitCodes: [Int32] = []
    /// Proxy variables added to the environment and left out of cache keys.
    package var proxy: ProxyEnvironment?

    package init(
        arguments: [[UInt8]],
        environment: [[UInt8]] = [],
        directory: [UInt8] = [],
        user: [UInt8] = []
    ) {
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.user = user
    }
}

/// A host name with the address it stands for.
package struct HostAddress: Hashable, Sendable {
    package var host: [UInt8]
    package var address: [UInt8]

    package init(host: [UInt8], address: [UInt8]) {
        self.host = host
        self.address = address
    }
}

/// A limit as setrlimit(2) takes it; the name is that of ulimit, for example `nofile`.
package struct ResourceLimit: Hashable, Sendable {
    package var name: [UInt8]
    package var soft: Int64
    package var hard: Int64

    package init(name: [UInt8], soft: Int64, hard: Int64) {
        self.name = name
        self.soft = soft
        self.hard = hard
    }
}

/// The proxies a step may use.
package struct ProxyEnvironment: Hashable, Sendable {
    package var http: [UInt8] = []
    package var https: [UInt8] = []
    package var ftp: [UInt8] = []
    package var none: [UInt8] = []
    package var all: [UInt8] = []

    package init() {}
}

/// How a step reaches the network.
package enum NetworkMode: String, Sendable, CaseIterable {
    /// The builder's default network.
    case sandbox
    case host
    case none
}

/// How far a step is confined.
package enum SecurityMode: String, Sendable, CaseIterable {
    case sandbox
    /// Every capability and device; needs an entitlement.
    case insecure
}

/// A secret that a process gets as an environment variable.
package struct SecretVariable: Hashable, Sendable {
    package var id: [UInt8]
    package var name: [UInt8]
    package var isOptional: Bool

    package init(id: [UInt8], name: [UInt8], isOptional: Bool = false) {
        self.id = id
        self.name = name
        self.isOptional = isOptional
    }
}

/// A device of the Container Device Interface.
package struct Device: Hashable, Sendable {
    package var name: [UInt8]
    package var isOptional: Bool

    package init(name: [UInt8], isOptional: Bool = false) {
        self.name = name
        self.isOptional = isOptional
    }
}
