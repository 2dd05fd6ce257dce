import CommandLine
import Foundation
import LinuxSystem
import Proofs
import Storage
import SystemPackage
import Testing

/// A store, or a destination, on a file system of a few megabytes.
@Suite(.requires(.root, .program("crun"), .program("docker-registry"), .program("skopeo")))
struct `A disk that is full` {
    private let scratch: TemporaryDirectory
    private let marker = ProcessMarker()
    private let slipway: Slipway

    init() throws {
        scratch = try TemporaryDirectory()
        slipway = Slipway(root: scratch.path + "/disk/store", environment: marker.environment)
    }

    private func path(_ name: String) -> String { scratch.path + "/" + name }

    /// Mounts a small file system on `disk` for as long as `body` runs.
    private func withSmallDisk(_ megabytes: Int64, _ body: () async throws -> Void) async throws {
        let disk = FilePath(path("disk"))
        try await onBlockingPool {
            try HostFiles.createDirectory(disk)
            try DetachedMount.tmpfs(size: megabytes << 20).attach(at: disk)
        }
        do {
            try await body()
        } catch {
            try await onBlockingPool { try unmount(disk, lazy: true) }
            throw error
        }
        try await onBlockingPool { try unmount(disk, lazy: true) }
    }

    private func context(_ dockerfile: String, megabytes: Int) throws -> String {
        try scratch.write(dockerfile, to: "context/Dockerfile")
        try Data(noise(megabytes << 20)).write(to: scratch.url.appending(path: "context/big"))
        return path("context")
    }

    private func makeBase() async throws {
        let archive = path("busybox.tar")
        try await Slipway.shared().succeed("save", "-o", archive, "busybox")
        try await slipway.succeed("load", "-i", archive)
    }

    /// Runs a command that must find the disk full, then has the store be sound and usable.
    private func expectFull(_ arguments: [String], saying words: [String]) async throws {
        let result = try await slipway.run(arguments)
        // buildx's for ResourceExhausted; other commands of docker have none of their own.
        let status: Int32 = arguments.first == "build" ? 102 : 1
        #expect(result.status == status, "\(arguments): \(result.errorText)")
        for word in words { #expect(result.errorText.contains(word), "\(arguments): \(result.errorText)") }
        try await expectNothingLeft(of: slipway, marker, "\(arguments)")
        try await slipway.succeed("system", "prune", "-af")
        try scratch.write("FROM scratch\nCOPY Dockerfile /\n", to: "small/Dockerfile")
        try await slipway.succeed("build", "-q", path("small"))
    }

    @Test func `a pull`() async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        try await ForeignImage.make(in: FilePath(scratch.path), [["big": noise(24 << 20)]])
            .push(to: "\(registry.host)/big:1")
        try await withSmallDisk(12) {
            try await expectFull(
                ["pull", "\(registry.host)/big:1"],
                saying: ["no space left on device", slipway.root, "slipway system prune"]
            )
        }
    }

    @Test func `the unpacking of an image`() async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        try await ForeignImage.make(in: FilePath(scratch.path), [["zeros": [UInt8](repeating: 0, count: 24 << 20)]])
            .push(to: "\(registry.host)/zeros:1")
        let context = try context("FROM \(registry.host)/zeros:1\nCOPY Dockerfile /\nRUN [\"/none\"]\n", megabytes: 0)
        try await withSmallDisk(12) {
            try await expectFull(
                ["build", context],
                saying: ["no space left on device", slipway.root, "slipway system prune"]
            )
        }
    }

    @Test func `a copy`() async throws {
        let context = try context("FROM scratch\nCOPY big /\n", megabytes: 24)
        try await withSmallDisk(12) {
            try await expectFull(
                ["build", context],
                saying: ["no space left on device", slipway.root, "slipway system prune", "Dockerfile:2"]
            )
        }
    }

    @Test func `a step that runs`() async throws {
        let context = try context("FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=64\n", megabytes: 0)
        try await withSmallDisk(16) {
            try await makeBase()
            let result = try await slipway("build", "--progress=plain", context)
            #expect(result.status == 1)
            #expect(result.errorText.contains("No space left on device"), "\(result.errorText)")
            #expect(result.errorText.contains("Dockerfile:2"))
            try await expectNothingLeft(of: slipway, marker, "RUN")
            try await slipway.succeed("run", "--rm", "--network", "none", "busybox", "true")
        }
    }

    /// Writes into a file until not a block is left.
    private func fillUp() async throws {
        let file = FilePath(path("disk/filler"))
        try await onBlockingPool {
            let filler = try OpenFile.open(file, [.writeOnly, .create, .append], mode: 0o600)
            var size = 1 << 20
            while size >= 1 {
                do { try filler.write([UInt8](repeating: 7, count: size)) } catch { size /= 2 }
            }
        }
    }

    @Test(.proves("A6: on a disk that is full to the"))
    func `to the last block is freed by every command that frees, and containers end`() async throws {
        try await withSmallDisk(24) {
            try await makeBase()
            try scratch.write("FROM busybox\nCOPY Dockerfile /\n", to: "small/Dockerfile")
            try await slipway.succeed("build", "-q", "-t", "small", path("small"))
            for name in ["stopped", "killed", "forced"] {
                try await slipway.succeed("run", "-d", "--name", name, "--network", "none", "busybox", "sleep", "100")
            }
            let commands = [
                ["ps", "-a"], ["images"], ["stop", "-t", "0", "stopped"], ["kill", "killed"], ["rm", "-f", "forced"],
                ["rm", "stopped", "killed"], ["builder", "prune", "-af"], ["rmi", "-f", "small"],
                ["image", "prune", "-af"],
                ["system", "prune", "-af"],
            ]
            for command in commands {
                try await onBlockingPool {
                    _ = try HostFiles.remove(FilePath(path("disk/filler")))
                    // Each finds the disk as it is when it fills up, with the space that was held.
                    _ = try Store.openBlocking(at: FilePath(slipway.root), tables: .all)
                    // A sixteenth of the disk, also where the command before left less.
                    let reserve = try HostFiles.status(of: FilePath(slipway.root).appending("reserve"))
                    let whole: Int64 = (24 << 20) / 16
                    #expect(reserve?.size == whole, "before \(command)")
                }
                try await fillUp()
                let result = try await slipway.run(command)
                #expect(result.status == 0, "\(command): \(result.errorText)")
            }
            try await onBlockingPool { _ = try HostFiles.remove(FilePath(path("disk/filler"))) }
            #expect(try await slipway.succeed("images", "-q").isEmpty)
            #expect(try await slipway.succeed("system", "check").contains("no problems"))
        }
    }

    @Test(.proves("Exit statuses"), arguments: ["local", "tar", "oci", "docker"]) func `an export`(type: String)
        async throws
    {
        let context = try context("FROM scratch\nCOPY big /\n", megabytes: 8)
        let elsewhere = Slipway(root: path("store"), environment: marker.environment)
        try await withSmallDisk(4) {
            let destination = path("disk/result")
            let result = try await elsewhere("build", "-o", "type=\(type),dest=\(destination)", context)
            #expect(result.status == 102, "buildx's for ResourceExhausted")
            #expect(result.errorText.lowercased().contains("no space left on device"), "\(result.errorText)")
            #expect(result.errorText.contains(path("disk")), "\(result.errorText)")
            try await expectNothingLeft(of: elsewhere, marker, "export")
            // Of a directory that was made for it, nothing but whole files is left.
            let left = try FileManager.default.subpathsOfDirectory(atPath: path("disk"))
            #expect(left == (type == "local" ? ["result"] : []))
        }
    }
}

/// A blob whose bytes have changed on disk.
@Suite(.requires(.root, .program("crun"), .program("docker-registry"), .program("skopeo")))
struct `A damaged blob` {
    private let scratch: TemporaryDirectory
    private let slipway: Slipway

    init() throws {
        scratch = try TemporaryDirectory()
        slipway = Slipway(root: scratch.path + "/store")
    }

    /// Pulls an image of one layer, which is not unpacked yet, and changes a byte in the middle of the layer's blob.
    private func damage(_ registry: RegistryServer) async throws -> (name: String, blob: String) {
        try await ForeignImage.make(in: FilePath(scratch.path), [["bin/file": noise(1 << 20)]])
            .push(to: "\(registry.host)/image:1")
        let name = "\(registry.host)/image:1"
        try await slipway.succeed("pull", "-q", name)
        // A pull unpacks; lost files are unpacked again when they are needed.
        for snapshot in try FileManager.default.contentsOfDirectory(atPath: slipway.root + "/snapshots") {
            try FileManager.default.removeItem(atPath: slipway.root + "/snapshots/" + snapshot)
        }
        try await slipway.succeed("system", "check", "--repair")
        let directory = URL(filePath: slipway.root + "/blobs/sha256")
        let sizes = try FileManager.default.contentsOfDirectory(
            at: directory,
            includingPropertiesForKeys: [.fileSizeKey]
        ).map { ($0, try $0.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0) }
        let largest = try #require(sizes.max { $0.1 < $1.1 }).0
        let file = try FileHandle(forUpdating: largest)
        try file.seek(toOffset: 500_000)
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: 500_000)
        try file.write(contentsOf: Data([byte ^ 1]))
        try file.close()
        return (name, largest.lastPathComponent)
    }

    @Test func `is found before anything of it is used, and is fetched again after a repair`() async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        let (name, blob) = try await damage(registry)
        try scratch.write("FROM \(name)\nCOPY Dockerfile /\nRUN [\"/none\"]\n", to: "context/Dockerfile")
        let other = try await RegistryServer.start(in: FilePath(scratch.path))
        try await slipway.succeed("tag", name, "\(other.host)/other:1")
        for arguments in [
            ["build", scratch.path + "/context"], ["run", "--rm", "--network", "none", name, "/none"],
            ["push", "\(other.host)/other:1"], ["save", "-o", scratch.path + "/out.tar", name],
        ] {
            let result = try await slipway.run(arguments)
            #expect(result.status == 1 || result.status == 125, "\(arguments): \(result.status) \(result.errorText)")
            #expect(result.errorText.contains("blob sha256:\(blob) is damaged"), "\(arguments): \(result.errorText)")
            #expect(result.errorText.contains("slipway system check --repair"), "\(arguments): \(result.errorText)")
        }
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/out.tar"))
        let check = try await slipway("system", "check")
        #expect(check.status == 1 && check.text.contains("blob sha256:\(blob): its file has the content of "))
        try await slipway.succeed("system", "check", "--repair")
        try await slipway.succeed("pull", "-q", name)
        #expect(try await slipway.succeed("system", "check").contains("no problems"))
        try await slipway.succeed("save", "-o", scratch.path + "/out.tar", name)
    }
}
