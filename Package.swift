// swift-tools-version: 6.2
import PackageDescription

// The manifest is code so that the architecture is a build error away (docs/architecture.md). Rooms are declared layer
// by layer, lowest first. A room sees every room of a lower layer that is in one of the wings it names, and no other.
//
// Wings exist for two reasons. A room that must not know of something does not name its wing: the Dockerfile's frontend
// knows no store. And a build from nothing goes on beside the slowest packages: `.network` holds all that waits for
// async-http-client, `.service` all that waits for grpc-swift and `.language` all that waits for protobuf, so that rooms
// which name none of them compile meanwhile.

/// A group of rooms that are seen together or not at all.
enum Wing {
    /// Text and formats as values.
    case values
    /// The kernel, and what is made of files and processes alone.
    case platform
    /// Dockerfiles and LLB.
    case language
    /// Content that is kept.
    case store
    case network
    /// Images moved whole, and what steps and builds do.
    case build
    /// What speaks gRPC.
    case service
    /// What a terminal needs and no build does.
    case terminal
}

struct Room {
    let name: String
    let wing: Wing
    let sees: [Wing]
    let shims: [String]
    let external: [Target.Dependency]

    init(
        _ name: String,
        _ wing: Wing,
        sees: [Wing] = [],
        shims: [String] = [],
        external: [Target.Dependency] = []
    ) {
        self.name = name
        self.wing = wing
        self.sees = sees
        self.shims = shims
        self.external = external
    }
}

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTP2 = Target.Dependency.product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let grpcCore = Target.Dependency.product(name: "GRPCCore", package: "grpc-swift-2")
let grpcProtobuf = Target.Dependency.product(name: "GRPCProtobuf", package: "grpc-swift-protobuf")
// What is used of it is its core, which is no product: this one has it without the certificates that sockets of gRPC's own take.
let grpcTransport = Target.Dependency.product(
    name: "GRPCNIOTransportHTTP2TransportServices",
    package: "grpc-swift-nio-transport"
)
let yaml = Target.Dependency.product(name: "Yams", package: "Yams")

/// C shims, which hold what Glibc's module does not import, with the library each links.
let shims: KeyValuePairs<String, String?> = [
    "CLinux": nil,
    // Linked into the program: a shared library more would cost each start almost a millisecond.
    "CCrypto": ":libcrypto.a",
    "CSQLite": nil,
    "CISAL": "isal",
    "CZlib": "z",
    "CZstd": "zstd",
    "CLZMA": "lzma",
    "CBzip2": "bz2",
]

let layers: [[Room]] = [
    // 1: text, and messages as they are sent
    [
        Room("Text", .values),
        Room("Hashing", .values, shims: ["CCrypto"]),
        Room("Tasks", .platform),
        Room("BuildKitProto", .language, external: [protobuf]),
    ],
    // 2: values and the platform
    [
        Room("LinuxSystem", .platform, sees: [.values], shims: ["CLinux"], external: [system]),
        Room("OCI", .values, sees: [.values]),
        Room("DockerfileSyntax", .language, sees: [.values]),
        Room("GoTemplate", .terminal, sees: [.values]),
    ],
    // 3: languages and stores
    [
        Room("LLB", .language, sees: [.values, .language], external: [protobuf]),
        Room("BuildGraph", .build, sees: [.values, .platform]),
        Room("Storage", .store, sees: [.values, .platform], shims: ["CSQLite"], external: [system, grdb]),
        Room(
            "HTTP",
            .network,
            sees: [.values, .platform],
            external: [system, httpClient, nioCore, nioHTTP1, nioPosix, nioSSL]
        ),
        Room(
            "RPC",
            .service,
            sees: [.values, .platform],
            external: [
                system, grpcCore, grpcProtobuf, grpcTransport, nioCore, nioHTTP1, nioHTTP2, nioPosix, nioSSL,
                protobuf,
            ]
        ),
        Room("Sandboxes", .platform, sees: [.values, .platform], external: [system, yaml]),
        Room("ClientServices", .platform, sees: [.values, .platform], external: [system]),
        Room(
            "Archive",
            .platform,
            sees: [.values, .platform],
            shims: ["CISAL", "CZlib", "CZstd", "CLZMA", "CBzip2"],
            external: [system]
        ),
    ],
    // 4: the Dockerfile frontend and file trees
    [
        Room("Settings", .network, sees: [.values, .platform, .network], external: [system]),
        Room("Terminal", .terminal, sees: [.values, .platform, .build, .terminal]),
        Room("DockerfileFrontend", .language, sees: [.values, .language]),
        Room("Snapshots", .store, sees: [.values, .platform, .store], external: [system, grdb]),
        Room(
            "FileSync",
            .service,
            sees: [.values, .platform, .language],
            external: [system, protobuf]
        ),
        Room(
            "RemoteSources",
            .network,
            sees: [.values, .platform, .language, .store, .network],
            external: [system, grdb]
        ),
    ],
    // 5: registries, and pages about the program
    [
        Room(
            "Registry",
            .network,
            sees: [.values, .platform, .network],
            external: [system, httpClient, logging, nioCore, nioHTTP1]
        ),
        Room("Manual", .terminal, sees: [.values, .platform, .network, .terminal]),
        Room("Attestations", .build, sees: [.values, .platform, .language, .build], external: [system]),
        Room(
            "BuildKitClient",
            .service,
            sees: [.values, .platform, .language, .network, .build, .service],
            external: [system, grpcCore, nioCore, protobuf]
        ),
    ],
    // 6: images
    [
        Room(
            "Images",
            .build,
            sees: [.values, .platform, .store, .network],
            external: [system, grdb, logging]
        )
    ],
    // 7: organs
    [
        Room(
            "Operations",
            .build,
            sees: [.values, .platform, .language, .store, .network, .build],
            external: [system, grdb]
        ),
        Room("Exporters", .build, sees: [.values, .platform, .store, .network, .build], external: [system]),
        Room(
            "RemoteCache",
            .build,
            sees: [.values, .platform, .store, .network, .build],
            external: [system]
        ),
        Room("Containers", .store, sees: [.values, .platform, .store], external: [system, grdb]),
    ],
    // 8: what builds keep of each other, and what is said of images, containers and volumes
    [
        Room(
            "BuildCache",
            .build,
            sees: [.values, .platform, .store, .network, .build],
            external: [system, grdb]
        ),
        Room(
            "DockerObjects",
            .terminal,
            sees: [.values, .platform, .store, .network, .build, .terminal],
            external: [system]
        ),
    ],
    // 9: the engine
    [
        Room(
            "BuildEngine",
            .build,
            sees: [.values, .platform, .language, .store, .network, .build],
            external: [system]
        )
    ],
    // 10: doors for programs
    [
        Room(
            "BuildKitService",
            .service,
            sees: [.values, .platform, .language, .store, .network, .build, .service, .terminal],
            external: [system, grpcCore, nioCore, protobuf]
        )
    ],
    // 11: a door for Docker's clients
    [
        Room(
            "DockerAPI",
            .service,
            sees: [.values, .platform, .language, .store, .network, .build, .service, .terminal],
            external: [nioCore, protobuf, system]
        )
    ],
    // 12: the door for people
    [
        Room(
            "CommandLine",
            .terminal,
            sees: [.values, .platform, .language, .store, .network, .build, .service, .terminal],
            external: [system, logging]
        )
    ],
]

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

var targets: [Target] = shims.map { name, library in
    .target(name: name, linkerSettings: library.map { [.linkedLibrary($0)] } ?? [])
}

/// The rooms of lower layers that a room sees.
func seen(by name: String) -> [String] {
    guard let depth = layers.firstIndex(where: { $0.contains { $0.name == name } }),
        let room = layers[depth].first(where: { $0.name == name })
    else { fatalError("\(name) is no room") }
    return layers[..<depth].joined().filter { room.sees.contains($0.wing) }.map(\.name)
}

for layer in layers {
    for room in layer {
        let below = seen(by: room.name)
        targets.append(
            .target(
                name: room.name,
                dependencies: (below + room.shims).map { .target(name: $0) } + room.external,
                swiftSettings: settings
            )
        )
    }
}

/// The trait by which tests name the rows of docs/compatibility.md that they prove.
let proofs = "Proofs"
targets.append(.target(name: proofs, path: "Tests/Proofs", swiftSettings: settings))

/// Tests of rooms see those rooms, and what these see.
func tests(
    _ name: String,
    of rooms: [String] = [],
    and others: [String] = [],
    external: [Target.Dependency] = [],
    exclude: [String] = []
) -> Target {
    let visible = Set(others + rooms + rooms.flatMap { seen(by: $0) })
    return .testTarget(
        name: name,
        dependencies: ([proofs] + visible.sorted()).map { .target(name: $0) } + external,
        exclude: exclude,
        swiftSettings: settings
    )
}

targets.append(
    .executableTarget(
        name: "slipway",
        dependencies: ["CommandLine", "LinuxSystem", "Terminal"].map { .target(name: $0) },
        swiftSettings: settings
    )
)

// What tests of several rooms share: servers that break the rules, a clock that does not wait.
targets.append(
    .target(
        name: "Fakes",
        dependencies: ["HTTP", "Text"].map { .target(name: $0) } + [nioCore, nioHTTP1, nioPosix, system],
        path: "Tests/Fakes",
        swiftSettings: settings
    )
)

// The other ends of connections: clients of a server, and servers that are called over a call.
targets.append(
    .target(
        name: "RPCFakes",
        dependencies: ["BuildKitProto", "OCI", "RPC", "Tasks"].map { .target(name: $0) }
            + [grpcCore, nioCore, nioPosix, nioSSL, protobuf],
        path: "Tests/RPCFakes",
        swiftSettings: settings
    )
)

targets += [
    tests("ArchitectureTests"),
    tests("TextTests", of: ["Text"]),
    tests("LinuxSystemTests", of: ["LinuxSystem"], external: [system]),
    tests("TasksTests", of: ["Tasks"]),
    tests("OCITests", of: ["OCI"]),
    tests("AttestationsTests", of: ["Attestations"]),
    tests("ExportersTests", of: ["Archive", "Exporters"], external: [system]),
    tests("ArchiveTests", of: ["Archive"], and: ["Fakes"], external: [system]),
    // Needs root, tools or a network of its own; every suite says what it requires.
    tests("ContainersTests", of: ["Containers"], external: [system]),
    tests("ClientServicesTests", of: ["ClientServices"], and: ["Fakes"], external: [system]),
    tests("SandboxesTests", of: ["Sandboxes"], external: [system]),
    tests("FileSyncTests", of: ["FileSync"], external: [protobuf, system]),
    tests("BuildEngineTests", of: ["BuildEngine", "CommandLine"], external: [logging, system]),
    tests(
        "IntegrationTests",
        of: ["BuildEngine", "CommandLine", "Containers"],
        and: ["RPCFakes"],
        external: [grdb, grpcCore, logging, nioCore, nioPosix, protobuf, system],
        exclude: ["Fixtures"]
    ),
    // Builds Dockerfiles with Slipway and with builders of Debian's packages, as root, and compares the images.
    tests(
        "DifferentialTests",
        exclude: ["Accepted.txt", "AcceptedContainers.txt", "Cases", "ContainerCases", "Peers"]
    ),
    tests(
        "BuildKitClientTests",
        of: ["BuildKitClient"],
        and: ["RPCFakes"],
        external: [grpcCore, nioCore, protobuf, system]
    ),
    tests("BuildGraphTests", of: ["BuildGraph"]),
    tests("DockerAPITests", of: ["DockerAPI"], external: [nioCore]),
    tests("HashingTests", of: ["Hashing"]),
    tests("GoTemplateTests", of: ["GoTemplate"]),
    tests("TerminalTests", of: ["Terminal"], external: [system]),
    tests("CommandLineTests", of: ["CommandLine"], external: [system], exclude: ["Golden"]),
    tests("RemoteCacheTests", of: ["RemoteCache"]),
    tests("RemoteSourcesTests", of: ["RemoteSources"], and: ["Fakes"], external: [system]),
    tests("ComplexityTests", of: ["CommandLine"]),
    tests("StorageTests", of: ["Images"], and: ["Containers"], external: [system, grdb]),
    tests("SnapshotsTests", of: ["Snapshots"], and: ["Fakes"], external: [system]),
    tests("BuildCacheTests", of: ["BuildCache"], external: [system, grdb]),
    tests("DockerfileSyntaxTests", of: ["DockerfileSyntax"]),
    tests("DockerfileFrontendTests", of: ["DockerfileFrontend"]),
    tests("ImagesTests", of: ["Images"], external: [system, grdb]),
    tests("OperationsTests", of: ["Operations"], external: [system, grdb]),
    tests("LLBTests", of: ["LLB"], external: [protobuf]),
    tests("HTTPTests", of: ["HTTP"], and: ["Fakes"], external: [nioHTTP1, system]),
    tests(
        "RPCTests",
        of: ["RPC"],
        and: ["Fakes", "RPCFakes"],
        external: [grpcCore, nioCore, nioEmbedded, nioPosix, nioSSL, protobuf, system]
    ),
    tests(
        "BuildKitServiceTests",
        of: ["BuildKitService"],
        and: ["Fakes", "RPCFakes"],
        external: [grpcCore, nioCore, protobuf, system]
    ),
    tests("SettingsTests", of: ["Settings"], and: ["Fakes"], external: [system]),
    tests("RegistryTests", of: ["Registry"], and: ["Fakes"], external: [logging, nioCore, nioHTTP1, system]),
]

// Functions that must bear any bytes: tests replay their corpora, and with SLIPWAY_FUZZ=1 libFuzzer looks for worse inputs.
let fuzzed = [
    "Archive", "DockerfileFrontend", "DockerfileSyntax", "GoTemplate", "LLB", "LinuxSystem", "OCI", "Sandboxes",
    "Settings", "Text",
]
targets += [
    .target(
        name: "FuzzTargets",
        dependencies: fuzzed.map { .target(name: $0) } + [system],
        path: "Fuzz/Targets",
        swiftSettings: settings
    ),
    tests("FuzzTests", and: ["FuzzTargets"]),
]
if Context.environment["SLIPWAY_FUZZ"] != nil {
    for target in targets where (fuzzed + ["FuzzTargets"]).contains(target.name) {
        target.swiftSettings?.append(.unsafeFlags(["-sanitize=fuzzer", "-O"]))
    }
    targets.append(
        .executableTarget(
            name: "slipway-fuzz",
            dependencies: [.target(name: "FuzzTargets")],
            path: "Fuzz/Driver",
            swiftSettings: settings,
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]
        )
    )
}

// For work on a few targets: SLIPWAY_TARGETS=ArchiveTests,StorageTests swift test builds only these and what they need.
if let names = Context.environment["SLIPWAY_TARGETS"] {
    let all = Dictionary(uniqueKeysWithValues: targets.map { ($0.name, $0) })
    var needed: Set<String> = []
    func need(_ name: String) {
        guard let target = all[name], needed.insert(name).inserted else { return }
        for case .targetItem(let dependency, _) in target.dependencies { need(dependency) }
    }
    for name in names.split(separator: ",").map(String.init) {
        guard all[name] != nil else { fatalError("SLIPWAY_TARGETS names \(name), which is no target of this package") }
        need(name)
    }
    targets.removeAll { !needed.contains($0.name) }
}

let package = Package(
    name: "slipway",
    dependencies: [
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: targets
)
