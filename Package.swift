// swift-tools-version: 6.2
import PackageDescription

// The manifest is code so that the architecture is a build error away: targets are declared layer by layer, lowest
// first, and a local dependency on anything that is not in an earlier layer stops the build (docs/architecture.md).

struct Layered {
    let name: String
    let local: [String]
    let external: [Target.Dependency]
    let system: [LinkerSetting]

    init(_ name: String, _ local: [String] = [], external: [Target.Dependency] = [], system: [LinkerSetting] = []) {
        self.name = name
        self.local = local
        self.external = external
        self.system = system
    }
}

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let yaml = Target.Dependency.product(name: "Yams", package: "Yams")
let toml = Target.Dependency.product(name: "TOMLKit", package: "TOMLKit")

/// C shims: what Glibc's module does not import.
let shims: [Layered] = [
    Layered("CLinux"),
    Layered("CSQLite"),
    Layered("CISAL", system: [.linkedLibrary("isal")]),
    Layered("CZlib", system: [.linkedLibrary("z")]),
    Layered("CZstd", system: [.linkedLibrary("zstd")]),
    Layered("CLZMA", system: [.linkedLibrary("lzma")]),
    Layered("CBzip2", system: [.linkedLibrary("bz2")]),
]

let layers: [[Layered]] = [
    // 1: values and the platform
    [
        Layered("LinuxSystem", ["CLinux"], external: [system]),
        Layered("OCI", external: [crypto]),
        Layered("DockerfileSyntax"),
        Layered("Tasks"),
        Layered("BuildKitProto", external: [protobuf]),
    ],
    // 2: languages and stores
    [
        Layered("LLB", ["BuildKitProto", "OCI"], external: [protobuf]),
        Layered("BuildGraph", ["LinuxSystem", "OCI", "Tasks"]),
        Layered("Storage", ["LinuxSystem", "OCI", "CSQLite"], external: [system, grdb]),
        Layered(
            "Registry",
            ["LinuxSystem", "OCI"],
            external: [system, httpClient, logging, nioCore, nioHTTP1, nioPosix, nioSSL, toml]
        ),
        Layered("Sandboxes", ["LinuxSystem", "Tasks"], external: [system, yaml]),
        Layered("Sessions", ["LinuxSystem", "Tasks"], external: [system, crypto]),
        Layered("Archive", ["CISAL", "CZlib", "CZstd", "CLZMA", "CBzip2", "LinuxSystem", "OCI"], external: [system]),
    ],
    // 3: the Dockerfile frontend and file trees
    [
        Layered("DockerfileFrontend", ["DockerfileSyntax", "LLB", "OCI"]),
        Layered("Snapshots", ["Archive", "LinuxSystem", "OCI", "Storage", "Tasks"], external: [system, grdb]),
        Layered(
            "RemoteSources",
            ["Archive", "LLB", "LinuxSystem", "OCI", "Registry", "Sessions", "Storage", "Tasks"],
            external: [system, grdb]
        ),
    ],
    // 4: images
    [
        Layered(
            "Images",
            [
                "Archive", "DockerfileFrontend", "DockerfileSyntax", "LinuxSystem", "OCI", "Registry", "Snapshots",
                "Storage", "Tasks",
            ],
            external: [system, grdb, logging]
        )
    ],
    // 5: organs
    [
        Layered(
            "Operations",
            [
                "Archive", "BuildGraph", "DockerfileSyntax", "LLB", "LinuxSystem", "OCI", "RemoteSources",
                "Sandboxes", "Sessions", "Snapshots", "Storage", "Tasks",
            ],
            external: [system, crypto, grdb]
        ),
        Layered("Exporters", ["Archive", "LinuxSystem", "OCI"], external: [system]),
        Layered(
            "RemoteCache",
            ["Archive", "BuildGraph", "Images", "LinuxSystem", "OCI", "Registry", "Snapshots", "Storage", "Tasks"],
            external: [system, crypto]
        ),
        Layered(
            "Containers",
            ["Archive", "LinuxSystem", "OCI", "Sandboxes", "Snapshots", "Storage", "Tasks"],
            external: [system, grdb]
        ),
    ],
    // 6: the engine
    [
        Layered(
            "BuildEngine",
            [
                "Archive", "BuildGraph", "DockerfileFrontend", "DockerfileSyntax", "Exporters", "Images", "LLB",
                "LinuxSystem", "OCI", "Operations", "Registry", "RemoteCache", "RemoteSources", "Sandboxes",
                "Sessions", "Snapshots", "Storage", "Tasks",
            ],
            external: [system, grdb]
        )
    ],
    // 7: doors
    [
        Layered(
            "CommandLine",
            [
                "Archive", "BuildEngine", "BuildGraph", "Containers", "DockerfileFrontend", "DockerfileSyntax",
                "Exporters", "Images", "LLB", "LinuxSystem", "OCI", "Operations", "Registry", "RemoteCache",
                "RemoteSources",
                "Sandboxes", "Sessions", "Snapshots", "Storage",
            ],
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

var declared = Set(shims.map(\.name))
var targets: [Target] = shims.map { .target(name: $0.name, linkerSettings: $0.system) }
for layer in layers {
    for target in layer {
        for dependency in target.local where !declared.contains(dependency) {
            fatalError("\(target.name) may not import \(dependency): it is not in a lower layer")
        }
        targets.append(
            .target(
                name: target.name,
                dependencies: target.local.map { .target(name: $0) } + target.external,
                swiftSettings: settings,
                linkerSettings: target.system
            )
        )
    }
    declared.formUnion(layer.map(\.name))
}

func tests(_ name: String, _ local: [String], external: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: name,
        dependencies: local.map { .target(name: $0) } + external,
        exclude: exclude,
        swiftSettings: settings
    )
}

targets.append(
    .executableTarget(
        name: "slipway",
        dependencies: [.target(name: "CommandLine"), .target(name: "LinuxSystem")],
        swiftSettings: settings
    )
)

targets += [
    tests("ArchitectureTests", []),
    tests("LinuxSystemTests", ["LinuxSystem"], external: [system]),
    tests("OCITests", ["OCI"]),
    tests("TasksTests", ["Tasks"]),
    tests("ExportersTests", ["Archive", "Exporters", "LinuxSystem", "OCI"], external: [system]),
    tests("ArchiveTests", ["Archive", "LinuxSystem", "OCI"], external: [system]),
    // Needs root, tools or a network of its own; every suite says what it requires.
    tests("ContainersTests", ["Containers", "LinuxSystem", "OCI", "Sandboxes", "Storage"], external: [system]),
    tests("SessionsTests", ["LinuxSystem", "Sessions"], external: [system]),
    tests("SandboxesTests", ["Sandboxes", "LinuxSystem"], external: [system]),
    tests(
        "IntegrationTests",
        [
            "Archive", "Containers", "BuildEngine", "BuildGraph", "DockerfileFrontend", "Images", "LLB", "LinuxSystem",
            "OCI", "Registry", "Sandboxes", "Sessions", "Snapshots", "Storage",
        ],
        external: [logging, nioCore, nioPosix, system]
    ),
    // Builds Dockerfiles with Slipway and with builders of Debian's packages, as root, and compares the images.
    tests(
        "DifferentialTests",
        [],
        exclude: ["Accepted.txt", "AcceptedContainers.txt", "Cases", "ContainerCases", "Peers"]
    ),
    tests("BuildGraphTests", ["BuildGraph", "OCI"]),
    tests(
        "CommandLineTests",
        [
            "Archive", "BuildEngine", "BuildGraph", "CommandLine", "DockerfileFrontend", "DockerfileSyntax",
            "Exporters", "LinuxSystem", "OCI", "Registry", "RemoteCache", "Sandboxes", "Storage",
        ],
        external: [system],
        exclude: ["Golden"]
    ),
    tests("RemoteCacheTests", ["BuildGraph", "OCI", "Registry", "RemoteCache", "Snapshots", "Storage"]),
    tests("RemoteSourcesTests", ["LLB", "RemoteSources"]),
    tests("ComplexityTests", ["CommandLine", "Containers", "DockerfileFrontend", "DockerfileSyntax", "OCI"]),
    tests("StorageTests", ["Storage", "LinuxSystem", "OCI"], external: [system, grdb]),
    tests("DockerfileSyntaxTests", ["DockerfileSyntax"]),
    tests("DockerfileFrontendTests", ["DockerfileFrontend", "DockerfileSyntax", "LLB", "OCI"]),
    tests("ImagesTests", ["Archive", "Images", "Storage", "LinuxSystem", "OCI"], external: [system, grdb]),
    tests(
        "OperationsTests",
        ["BuildGraph", "LLB", "LinuxSystem", "OCI", "Operations", "Storage"],
        external: [system, grdb]
    ),
    tests("LLBTests", ["BuildKitProto", "LLB", "OCI"], external: [protobuf]),
    tests("RegistryTests", ["OCI", "Registry"], external: [logging, nioCore, nioHTTP1, nioPosix, system]),
]

// Functions that must bear any bytes: tests replay their corpora, and with SLIPWAY_FUZZ=1 libFuzzer looks for worse inputs.
let fuzzed = [
    "Archive", "DockerfileFrontend", "DockerfileSyntax", "LLB", "LinuxSystem", "OCI", "Sandboxes",
]
targets += [
    .target(
        name: "FuzzTargets",
        dependencies: fuzzed.map { .target(name: $0) } + [system],
        path: "Fuzz/Targets",
        swiftSettings: settings
    ),
    tests("FuzzTests", ["FuzzTargets"]),
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
            swiftSettings: settings + [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer"])]
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
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: targets
)
