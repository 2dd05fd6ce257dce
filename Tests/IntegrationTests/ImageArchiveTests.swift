import Archive
import CommandLine
import DockerfileFrontend
import Foundation
import Glibc
import Images
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage
import Testing
import Text

/// A file system of some kinds of files as a tar archive.
private func makeFileSystem(in scratch: FilePath, size: Int = 300_000) async throws -> FilePath {
    let root = scratch.appending("files-\(size)")
    let archive = scratch.appending("files-\(size).tar")
    try await onBlockingPool {
        try HostFiles.createDirectories(root.appending("bin"))
        try HostFiles.createDirectory(root.appending("etc"))
        try OpenFile.open(root.appending("etc/motd"), [.writeOnly, .create], mode: 0o644).write("hello\n")
        let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 / 3) }
        try OpenFile.open(root.appending("bin/tool"), [.writeOnly, .create], mode: 0o755).write(content)
        try RootedDirectory(root).createSymbolicLink("bin/alias", target: "tool")
    }
    let tar = try await runProgram(
        "tar",
        ["--numeric-owner", "--owner=0", "--group=0", "-C", root.string, "-cf", archive.string, "."]
    )
    #expect(tar.status == 0, "\(tar.errorText)")
    return archive
}

private func makeArchiver(at root: FilePath) async throws -> (archiver: ImageArchiver, snapshots: SnapshotStore) {
    let store = try await Store.open(at: root, tables: .all)
    let snapshots = SnapshotStore(store: store)
    return (ImageArchiver(images: ImageStore(store: store), layers: snapshots), snapshots)
}

private func importSample(_ name: String, into archiver: ImageArchiver, in scratch: FilePath) async throws -> Digest {
    let archive = try await makeFileSystem(in: scratch)
    let input = try await onBlockingPool { try OpenFile.open(archive, .readOnly) }
    return try await archiver.importFileSystem(
        input,
        name: try ImageReference(parsing: name),
        defaults: try await ImageChanges.apply(["CMD [\"/bin/tool\"]", "ENV A=b", "LABEL l=v"]),
        message: "imported",
        created: FileTime(seconds: 1_700_000_000)
    )
}

private func load(_ path: FilePath, into archiver: ImageArchiver) async throws -> [LoadedImage] {
    let input = try await onBlockingPool { try OpenFile.open(path, .readOnly) }
    return try await archiver.load(input)
}

@Suite(.requires(.root)) struct `Archives and other tools` {
    private func run(_ program: String, _ arguments: [String]) async throws -> String {
        let result = try await runProgram(program, arguments)
        try #require(result.status == 0, "\(program) \(arguments): \(result.errorText)")
        return result.text
    }

    @Test(.requires(.program("skopeo")))
    func `skopeo reads what is saved, in both forms`() async throws {
        try await withScratchDirectory { scratch in
            let (archiver, _) = try await makeArchiver(at: scratch.appending("store"))
            let id = try await importSample("example:1", into: archiver, in: scratch)
            let saved = scratch.appending("saved.tar")
            try await archiver.save(["example:1"], to: saved)
            let docker = try await run("skopeo", ["inspect", "--config", "docker-archive:\(saved):example:1"])
            #expect(docker.contains("A=b"))
            _ = try await run(
                "skopeo",
                ["copy", "--insecure-policy", "docker-archive:\(saved)", "dir:\(scratch)/docker"]
            )
            _ = try await run("skopeo", ["copy", "--insecure-policy", "oci-archive:\(saved)", "dir:\(scratch)/oci"])
            // The same configuration both ways: skopeo verified each digest.
            for form in ["docker", "oci"] {
                let path = scratch.appending("\(form)/\(id.hex)")
                #expect(try await onBlockingPool { try HostFiles.status(of: path) } != nil)
            }
            await archiver.images.store.close()
        }
    }

    @Test(.requires(.program("skopeo")))
    func `what skopeo writes is loaded, with its layers compressed or not`() async throws {
        try await withScratchDirectory { scratch in
            let (archiver, snapshots) = try await makeArchiver(at: scratch.appending("store"))
            let id = try await importSample("example:1", into: archiver, in: scratch)
            let saved = scratch.appending("saved.tar")
            try await archiver.save(["example:1"], to: saved)
            for target in ["docker-archive:\(scratch)/docker.tar:other:2", "oci-archive:\(scratch)/oci.tar:other"] {
                _ = try await run("skopeo", ["copy", "--insecure-policy", "oci-archive:\(saved)", target])
            }
            _ = try await archiver.images.remove("example:1")
            #expect(try await archiver.images.store.diskUsage().blobCount == 0)

            let fromDocker = try await load(scratch.appending("docker.tar"), into: archiver)
            #expect(fromDocker.flatMap(\.lines) == ["Loaded image: other:2"])
            #expect(fromDocker.map(\.id) == [id])
            _ = try await archiver.images.remove("other:2")

            let fromLayout = try await load(scratch.appending("oci.tar"), into: archiver)
            #expect(fromLayout.flatMap(\.lines) == ["Loaded image ID: \(id)"])
            let layers = try await archiver.images.image(id.hex).layers
            let text = try await snapshots.lasting.withMounted(FileTree(layers: layers)) { root in
                try await onBlockingPool { try OpenFile.open(root.appending("etc/motd"), .readOnly).readToEnd() }
            }
            #expect(text == "hello\n")
            #expect(try await archiver.images.store.check(full: true).problems.isEmpty)

            // Compressed as it came, and yet the archive that is saved has the same bytes as before.
            try await archiver.images.tag(id.hex, as: "example:1")
            try await archiver.save(["example:1"], to: scratch.appending("again.tar"))
            #expect(try await run("cmp", [saved.string, scratch.appending("again.tar").string]) == "")
            await archiver.images.store.close()
        }
    }

    @Test(.requires(.program("podman")))
    func `podman loads what is saved`() async throws {
        try await withScratchDirectory { scratch in
            let (archiver, _) = try await makeArchiver(at: scratch.appending("store"))
            let id = try await importSample("example:1", into: archiver, in: scratch)
            let saved = scratch.appending("saved.tar")
            try await archiver.save(["example:1"], to: saved)
            // Podman refuses longer paths than 50 characters here.
            let runRoot = FilePath("/tmp/slipway-podman-\(UInt32.random(in: .min ... .max))")
            defer { try? FileManager.default.removeItem(atPath: runRoot.string) }
            let place = [
                "--root", "\(scratch)/podman", "--runroot", runRoot.string, "--storage-driver", "vfs",
                "--cgroup-manager", "cgroupfs", "--events-backend", "none",
            ]
            #expect(try await run("podman", place + ["load", "-q", "-i", saved.string]).contains("example:1"))
            #expect(try await run("podman", place + ["images", "-q", "--no-trunc"]).contains(id.hex))
            await archiver.images.store.close()
        }
    }

    @Test(.requires(.program("umoci")))
    func `umoci unpacks the layout in what is saved`() async throws {
        try await withScratchDirectory { scratch in
            let (archiver, _) = try await makeArchiver(at: scratch.appending("store"))
            _ = try await importSample("example:1", into: archiver, in: scratch)
            let saved = scratch.appending("saved.tar")
            try await archiver.save(["example:1"], to: saved)
            try await onBlockingPool { _ = try HostFiles.createDirectory(scratch.appending("layout")) }
            _ = try await run("tar", ["-C", "\(scratch)/layout", "-xf", saved.string])
            _ = try await run("umoci", ["unpack", "--image", "\(scratch)/layout:1", "\(scratch)/bundle"])
            let text = try await onBlockingPool {
                try OpenFile.open(scratch.appending("bundle/rootfs/etc/motd"), .readOnly).readToEnd()
            }
            #expect(text == "hello\n")
            await archiver.images.store.close()
        }
    }
}

/// Loads, imports, names, unpacks and removes images until the process ends.
private func workOnImages(at root: String, archive: String, files: String) async throws {
    let (archiver, snapshots) = try await makeArchiver(at: FilePath(root))
    let created = FileTime(seconds: 1_700_000_000)
    for round in 0... {
        let loaded = try await load(FilePath(archive), into: archiver)
        for image in loaded {
            // Unpacked and not mounted: the test's processes have no mount namespace of their own that would go with them.
            try await snapshots.lasting.unpack(try await archiver.images.image(image.id.hex).layers)
        }
        let input = try await onBlockingPool { try OpenFile.open(FilePath(files), .readOnly) }
        let name = try ImageReference(parsing: "imported:\(round % 3)")
        _ = try await archiver.importFileSystem(input, name: name, message: "\(round)", created: created)
        if round % 2 == 1 {
            for image in try await archiver.images.list() {
                _ = try await archiver.images.remove(image.id.hex, force: true)
            }
        }
    }
}

@Suite(.serialized, .requires(.root)) struct `Images under fire` {
    @Test func `kill -9 while images are loaded, imported and removed leaves a store that is sound`() async throws {
        try await withScratchDirectory { scratch in
            let (archiver, _) = try await makeArchiver(at: scratch.appending("origin"))
            let id = try await importSample("example:1", into: archiver, in: scratch)
            try await archiver.save(["example:1"], to: scratch.appending("saved.tar"))
            await archiver.images.store.close()
            let root = scratch.appending("store").string
            let archive = scratch.appending("saved.tar").string
            let files = (try await makeFileSystem(in: scratch, size: 2_000_000)).string
            for round in 0..<14 {
                let delay = UInt32(20 + round * 29)
                await #expect(processExitsWith: .signal(SIGKILL)) {
                    [
                        root = root as String, archive = archive as String, files = files as String,
                        delay = delay as UInt32
                    ] in
                    Thread.detachNewThread {
                        usleep(delay * 1000)
                        kill(getpid(), SIGKILL)
                    }
                    try await workOnImages(at: root, archive: archive, files: files)
                }
                let (after, _) = try await makeArchiver(at: FilePath(root))
                let problems = try await after.images.store.check(full: true).problems
                #expect(problems.isEmpty, "after \(delay) ms: \(problems)")
                await after.images.store.close()
            }
            let (last, snapshots) = try await makeArchiver(at: FilePath(root))
            #expect(try await load(FilePath(archive), into: last).map(\.id) == [id])
            try await snapshots.lasting.withMounted(FileTree(layers: try await last.images.image(id.hex).layers)) { _ in
            }
            #expect(try await last.images.store.check(full: true).problems.isEmpty)
            await last.images.store.close()
        }
    }
}
