import Foundation
import Images
import LinuxSystem
import OCI
import Registry
import Settings
import Snapshots
import Storage
import SystemPackage
import Testing
import Text

private func reference(_ text: String) throws -> ImageReference { try ImageReference(parsing: text) }

@Suite(.requires(.root, .program("docker-registry"), .program("skopeo"), .program("openssl")), .serialized)
struct `Images between stores and a registry` {
    private static let contents: [[String: [UInt8]]] = [
        ["etc/name": "first"], ["app/file": "second"],
    ]

    @Test func `what another tool pushed is pulled, unpacked and known`() async throws {
        try await withScratchDirectory { root in
            let registry = try await RegistryServer.start(in: root)
            try await ForeignImage.make(in: root, Self.contents).push(to: "\(registry.host)/team/app:1")
            let setup = try await RemoteSetup(root: root)
            let events = Events()
            let name = try reference("\(registry.host)/team/app:1")
            let pulled = try await setup.remote.pull(name, platform: .current) { events.add($0) }
            #expect(pulled.isNew)
            #expect(events.lines.first == "1: Pulling from team/app")
            #expect(events.lines.filter { $0.hasSuffix(": Pull complete") }.count == 2)
            #expect(events.lines.last == "Status: Downloaded newer image for \(registry.host)/team/app:1")
            let digest = try await skopeo([
                "inspect", "--tls-verify=false", "--format", "{{.Digest}}", "docker://\(registry.host)/team/app:1",
            ])
            #expect(events.lines.contains("Digest: \(digest.trimmingCharacters(in: .whitespacesAndNewlines))"))
            let image = try await setup.remote.images.image(name.description)
            #expect(image.repositoryDigests.map(\.digest) == [pulled.digest])
            let text = try await setup.remote.snapshots.lasting.withMounted(FileTree(layers: image.layers)) { path in
                try await onBlockingPool { try OpenFile.open(path.appending("app/file"), .readOnly).readToEnd() }
            }
            #expect(text == "second")
            let again = Events()
            try await setup.remote.pull(name, platform: .current) { again.add($0) }
            #expect(again.lines.filter { $0.hasSuffix(": Already exists") }.count == 2)
            #expect(again.lines.last == "Status: Image is up to date for \(registry.host)/team/app:1")
        }
    }

    @Test func `what we push is read by another tool, and an unchanged image keeps its digest`() async throws {
        try await withScratchDirectory { root in
            let registry = try await RegistryServer.start(in: root)
            try await ForeignImage.make(in: root, Self.contents).push(to: "\(registry.host)/a:1")
            let setup = try await RemoteSetup(root: root)
            let pulled = try await setup.remote.pull(reference("\(registry.host)/a:1"), platform: .current)
            try await setup.remote.images.tag("\(registry.host)/a:1", as: "\(registry.host)/b:2")
            let events = Events()
            let pushed = try await setup.remote.push(reference("\(registry.host)/b:2")) { events.add($0) }
            #expect(pushed.digest == pulled.digest)
            #expect(events.lines.first == "The push refers to repository [\(registry.host)/b]")
            #expect(events.lines.filter { $0.contains(": Mounted from a") }.count == 2)
            #expect(events.lines.last == "2: digest: \(pushed.digest) size: \(pushed.size)")
            try await skopeo([
                "copy", "-q", "--src-tls-verify=false", "docker://\(registry.host)/b:2",
                "dir:\(root.appending("copy"))",
            ])

            let other = try await RegistryServer.start(in: root)
            try await setup.remote.images.tag("\(registry.host)/a:1", as: "\(other.host)/c:3")
            let sent = Events()
            try await setup.remote.push(reference("\(other.host)/c:3")) { sent.add($0) }
            #expect(sent.lines.filter { $0.hasSuffix(": Pushed") }.count == 2)
            try await skopeo([
                "copy", "-q", "--src-tls-verify=false", "docker://\(other.host)/c:3", "oci:\(root.appending("oci")):x",
            ])
            let repeated = Events()
            try await setup.remote.push(reference("\(other.host)/c:3")) { repeated.add($0) }
            #expect(repeated.lines.filter { $0.hasSuffix(": Layer already exists") }.count == 2)
        }
    }

    @Test func `a base image of docker.io comes from the configured mirror, and no layer before it is needed`()
        async throws
    {
        try await withScratchDirectory { root in
            let registry = try await RegistryServer.start(in: root)
            try await ForeignImage.make(in: root, Self.contents).push(to: "\(registry.host)/library/python:3-alpine")
            let tables = try SlipwayConfiguration(
                parsing: "[registry.\"docker.io\"]\nmirrors = [\"localhost:\(registry.port)\"]\n",
                file: "slipway.toml"
            )
            let setup = try await RemoteSetup(root: root, tables: tables)
            try await setup.store.withLease { _ in
                let image = try await setup.remote.resolve(
                    ImageLookup(reference("python:3-alpine"), platform: .current, policy: .missing),
                    in: setup.store.lastingLease
                )
                #expect(image.configuration.rootFileSystem.diffIDs.count == 2)
                #expect(try await setup.store.blobs.present(among: Set(image.blobs.map(\.digest))).isEmpty)
                let text = try await setup.remote.snapshots.lasting.withMounted(image.tree) { path in
                    try await onBlockingPool { try OpenFile.open(path.appending("etc/name"), .readOnly).readToEnd() }
                }
                #expect(text == "first")
            }
            // By digest, what is here needs no registry.
            let found = try await setup.remote.resolve(
                ImageLookup(reference("python:3-alpine"), platform: .current, policy: .always),
                in: setup.store.lastingLease
            )
            registry.stop()
            let digest = try #require(found.digest)
            let pinned = try reference("docker.io/library/python").replacing(digest: digest)
            let again = try await setup.remote.resolve(
                ImageLookup(pinned, platform: .current, policy: .missing),
                in: setup.store.lastingLease
            )
            #expect(again.layers == found.layers)
            let error = await #expect(throws: (any Error).self) {
                try await setup.remote.pull(reference("python:3-alpine"), platform: .current)
            }
            #expect(
                error.map { "\($0)".contains("localhost:\(registry.port)") } == true,
                "\(error.map { "\($0)" } ?? "")"
            )
        }
    }

    @Test func `a registry with passwords accepts the right one only`() async throws {
        try await withScratchDirectory { root in
            let registry = try await RegistryServer.start(in: root, .password)
            try await ForeignImage.make(in: root, Self.contents)
                .push(to: "\(registry.host)/x:1", ["--dest-tls-verify=false", "--dest-creds=tester:secret"])
            let name = try reference("\(registry.host)/x:1")
            let stranger = try await RemoteSetup(root: root, name: "stranger")
            await #expect(throws: RegistryError.authenticationRequired(host: registry.host)) {
                try await stranger.remote.pull(name, platform: .current)
            }
            func credential(_ password: String) -> [String: Credential] {
                [registry.host: .password(user: "tester", password: Secret(password))]
            }
            let wrong = try await RemoteSetup(root: root, name: "wrong", credentials: credential("wrong"))
            await #expect(throws: RegistryError.credentialsRefused(host: registry.host, user: "tester", detail: nil)) {
                try await wrong.remote.pull(name, platform: .current)
            }
            let right = try await RemoteSetup(root: root, name: "right", credentials: credential("secret"))
            try await right.remote.pull(name, platform: .current)
            try await right.remote.images.tag(name.description, as: "\(registry.host)/y:1")
            try await right.remote.push(reference("\(registry.host)/y:1"))
        }
    }

    @Test func `a private authority is trusted where it is configured, and nowhere else`() async throws {
        try await withScratchDirectory { root in
            let certificates = try await Certificates.make(in: root)
            let registry = try await RegistryServer.start(in: root, .tls(certificates))
            try await ForeignImage.make(in: root, Self.contents).push(to: "\(registry.host)/x:1")
            let name = try reference("\(registry.host)/x:1")
            func tables(_ text: String) throws -> SlipwayConfiguration {
                try SlipwayConfiguration(
                    parsing: "[registry.\"\(registry.host)\"]\n\(text)\n",
                    file: "/slipway.toml"
                )
            }
            let trusting = try await RemoteSetup(
                root: root,
                name: "a",
                tables: tables("ca = [\"\(certificates.authority)\"]")
            )
            try await trusting.remote.pull(name, platform: .current)
            let careless = try await RemoteSetup(root: root, name: "b", tables: tables("http = false\ninsecure = true"))
            try await careless.remote.pull(name, platform: .current)
            let strict = try await RemoteSetup(root: root, name: "c", tables: tables("http = false"))
            let error = await #expect(throws: RegistryError.self) {
                try await strict.remote.pull(name, platform: .current)
            }
            #expect(error.map { "\($0)".contains("certificate not trusted") } == true, "\(error.map { "\($0)" } ?? "")")
        }
    }

    @Test func `a download that is cut again and again goes on where it stopped`() async throws {
        try await withScratchDirectory { root in
            let registry = try await RegistryServer.start(in: root)
            let size = 24 << 20
            let image = try await ForeignImage.make(in: root, [["big": noise(size)]])
            try await image.push(to: "\(registry.host)/big:1")
            let proxy = try await CuttingProxy.start(to: registry.port, cuts: 4, after: 4 << 20)
            let setup = try await RemoteSetup(root: root)
            try await setup.remote.pull(reference("127.0.0.1:\(proxy.port)/big:1"), platform: .current)
            // At most what was on its way at each cut is sent twice.
            #expect(proxy.passed < size + (8 << 20), "\(proxy.passed) bytes")
        }
    }

    @Test func `an abandoned pull leaves what it has for the next one`() async throws {
        try await withScratchDirectory { root in
            let registry = try await RegistryServer.start(in: root)
            let size = 48 << 20
            try await ForeignImage.make(in: root, [["big": noise(size)]]).push(to: "\(registry.host)/big:1")
            let proxy = try await CuttingProxy.start(to: registry.port, pause: size / 3)
            let name = try reference("127.0.0.1:\(proxy.port)/big:1")
            let setup = try await RemoteSetup(root: root)
            let remote = setup.remote
            let pull = Task { try await remote.pull(name, platform: .current) }
            // What is on its way when the pull ends is lost: something of it must have arrived.
            let ingest = root.appending("store").appending("ingest").string
            func arrived() throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: ingest).filter { $0.hasPrefix("partial-") }.map {
                    try FileManager.default.attributesOfItem(atPath: ingest + "/" + $0)[.size] as? Int ?? 0
                }.reduce(0, +)
            }
            while try proxy.passed < size / 3 || arrived() == 0 { try await Task.sleep(for: .milliseconds(5)) }
            pull.cancel()
            await #expect(throws: CancellationError.self) { try await pull.value }
            proxy.resume()
            let before = proxy.passed
            try await remote.pull(name, platform: .current)
            #expect(proxy.passed - before < size, "\(before) and then \(proxy.passed - before) bytes")
        }
    }

    @Test func `a name that is nowhere is reported as docker reports it`() async throws {
        try await withScratchDirectory { root in
            let registry = try await RegistryServer.start(in: root)
            let setup = try await RemoteSetup(root: root)
            let error = await #expect(throws: RegistryError.self) {
                try await setup.remote.pull(reference("\(registry.host)/none"), platform: .current)
            }
            #expect(error.map { "\($0)" }?.hasPrefix("manifest for \(registry.host)/none:latest not found") == true)
            await #expect(throws: ImageError.noSuchImage("none:latest")) {
                try await setup.remote.resolve(
                    ImageLookup(reference("none"), platform: .current, policy: .local),
                    in: setup.store.lastingLease
                )
            }
        }
    }
}
