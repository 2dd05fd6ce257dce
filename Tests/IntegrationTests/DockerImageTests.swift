import Foundation
import Proofs
import SystemPackage
import Testing

/// Images, as Debian's docker client sees them at a daemon.
@Suite(.requires(.root, .program("/usr/bin/docker"), .program("busybox")))
struct DockerImageTests {
    @Test(.proves("docker images, inspect, history, tag, rmi, image prune"))
    func `docker lists, tags, looks into and removes images`() async throws {
        let daemon = try await DockerDaemon.start()
        try await daemon.succeed("tag", "busybox", "example/other:2")
        let listed = try await daemon.succeed("images", "--format", "{{.Repository}}:{{.Tag}}")
        #expect(Set(listed.split(separator: "\n")) == ["busybox:latest", "example/other:2"])
        let id = try await daemon.succeed("image", "inspect", "--format", "{{.Id}}", "busybox")
        #expect(try await daemon.succeed("images", "-q", "--no-trunc", "busybox") == id)
        #expect(try await daemon.slipway.succeed("images", "-q", "--no-trunc", "busybox") == id + "\n")
        let history = try await daemon.succeed("history", "--no-trunc", "--format", "{{.ID}} {{.Comment}}", "busybox")
        #expect(history.hasPrefix(id + " Imported from "))
        let filtered = try await daemon.succeed("images", "-q", "--filter", "reference=example/*")
        #expect(filtered == String(id.dropFirst("sha256:".count).prefix(12)))
        #expect(try await daemon.succeed("rmi", "example/other:2") == "Untagged: example/other:2")
        let missing = try await daemon.docker("rmi", "example/other:2")
        #expect(missing.status == 1)
        #expect(missing.errorText.contains("No such image: example/other:2"))
        let unknown = try await daemon.docker("image", "inspect", "nothing")
        #expect(unknown.status == 1)
        #expect(unknown.errorText.contains("No such image: nothing"))
        #expect(try await daemon.docker("images", "--filter", "color=red").errorText.contains("invalid filter 'color'"))
    }

    @Test(.proves("docker images, inspect, history, tag, rmi, image prune"))
    func `docker prunes images without names, and with all those that are not used`() async throws {
        let daemon = try await DockerDaemon.start()
        let archive = daemon.scratch.path + "/other.tar"
        try daemon.scratch.write("other", to: "other/file")
        _ = try await runProgram("tar", ["-C", daemon.scratch.path + "/other", "-cf", archive, "."])
        let other = try await daemon.succeed("import", archive, "example:1")
        try await daemon.succeed("tag", "busybox", "example:1")
        #expect(try await daemon.succeed("images", "-q", "--no-trunc", "--filter", "dangling=true") == other)
        let pruned = try await daemon.succeed("image", "prune", "-f")
        #expect(pruned.contains("deleted: \(other)"))
        #expect(try await daemon.succeed("images", "-q", "--filter", "dangling=true").isEmpty)
        try await daemon.succeed("create", "--name", "user", "busybox", "true")
        #expect(try await daemon.succeed("image", "prune", "-a", "-f").contains("0B"))
        try await daemon.succeed("rm", "user")
        #expect(try await daemon.succeed("image", "prune", "-a", "-f").contains("untagged: busybox:latest"))
        #expect(try await daemon.succeed("images", "-q").isEmpty)
    }

    @Test(.proves("docker pull and push"), .requires(.program("docker-registry")))
    func `docker pushes an image with its login, and pulls it again`() async throws {
        let daemon = try await DockerDaemon.start()
        let registry = try await RegistryServer.start(in: FilePath(daemon.scratch.path), .password)
        let name = "\(registry.host)/example/pushed:1"
        try await daemon.succeed("tag", "busybox", name)
        let id = try await daemon.succeed("images", "-q", "--no-trunc", "busybox")
        let refused = try await daemon.docker("push", name)
        #expect(refused.status == 1)
        let wrong = try await daemon.docker("login", "-u", "tester", "-p", "wrong", registry.host)
        #expect(wrong.status == 1)
        #expect(wrong.errorText.contains("unauthorized"))
        let login = try await daemon.succeed("login", "-u", "tester", "-p", "secret", registry.host)
        #expect(login.contains("Login Succeeded"))
        let pushed = try await daemon.succeed("push", name)
        #expect(pushed.contains("The push refers to repository [\(registry.host)/example/pushed]"))
        let digest = try #require(pushed.firstMatch(of: /1: digest: (sha256:[0-9a-f]{64}) size: \d+/)).1
        try await daemon.succeed("rmi", "-f", id)
        #expect(try await daemon.succeed("images", "-q").isEmpty)
        let pulled = try await daemon.succeed("pull", name)
        #expect(pulled.contains("Digest: \(digest)"))
        #expect(pulled.contains("Status: Downloaded newer image for \(name)"))
        #expect(try await daemon.succeed("images", "-q", "--no-trunc", name) == id)
        #expect(try await daemon.succeed("pull", name).contains("Status: Image is up to date for \(name)"))
        let missing = try await daemon.docker("pull", "\(registry.host)/example/missing:1")
        #expect(missing.status == 1)
        #expect(missing.errorText.contains("not found"), "\(missing.errorText)")
        #expect(try await daemon.succeed("run", "--rm", "--network", "none", name, "sh", "-c", "echo ran") == "ran")
    }

    @Test(.proves("docker save, load and import"))
    func `docker saves images, and loads what it and slipway saved`() async throws {
        let daemon = try await DockerDaemon.start()
        let archive = daemon.scratch.path + "/saved.tar"
        let id = try await daemon.succeed("images", "-q", "--no-trunc", "busybox")
        try await daemon.succeed("tag", "busybox", "other:1")
        try await daemon.succeed("save", "-o", archive, "busybox:latest", "other:1")
        let names = try await runProgram("tar", ["-tf", archive]).text.split(separator: "\n")
        #expect(names.contains("manifest.json"))
        try await daemon.succeed("rmi", "-f", id)
        let loaded = try await daemon.succeed("load", "-i", archive)
        #expect(Set(loaded.split(separator: "\n")) == ["Loaded image: busybox:latest", "Loaded image: other:1"])
        #expect(try await daemon.succeed("images", "-q", "--no-trunc", "other") == id)
        let missing = try await daemon.docker("save", "-o", archive, "nothing:1")
        #expect(missing.status == 1)
        #expect(missing.errorText.contains("No such image: nothing:1"))
        let nonsense = try await daemon.docker("load", input: Array(repeating: 7, count: 1 << 20))
        #expect(nonsense.status == 1)
        #expect(try await daemon.succeed("images", "-q", "--no-trunc", "other") == id)
    }
}
