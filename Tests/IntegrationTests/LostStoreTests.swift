import Foundation
import Proofs
import SystemPackage
import Testing

/// A store of which nothing is left that says what its blobs are.
@Suite(.requires(.root, .program("crun"), .program("docker-registry")))
struct `A store without database and records` {
    @Test(.proves("A12: a database and records that"))
    func `recovers the images whose blobs are whole, and reports what is lost`() async throws {
        try await withScratchDirectory { root in
            let registry = try await RegistryServer.start(in: root)
            let shared = try await Slipway.shared()
            let name = "\(registry.host)/lost:1"
            try await shared.succeed("tag", "busybox", name)
            try await shared.succeed("push", "-q", name)
            try await shared.succeed("rmi", name)
            let (slipway, directory) = try Slipway.isolated()
            defer { withExtendedLifetime(directory) {} }
            try await slipway.succeed("pull", "-q", name)
            let scratch = try TemporaryDirectory()
            try scratch.write("FROM \(name)\nRUN echo built > /built\n", to: "context/Dockerfile")
            try await slipway.succeed("build", "-q", "-t", "built", ".", in: scratch.url.appending(path: "context"))
            try scratch.write("FROM scratch\nCOPY file /damaged\n", to: "other/Dockerfile")
            try scratch.write("what it was\n", to: "other/file")
            try await slipway.succeed("build", "-q", "-t", "other", ".", in: scratch.url.appending(path: "other"))
            func id(_ name: String) async throws -> String {
                try await slipway.succeed("images", "-q", "--no-trunc", name).trimmingCharacters(in: .newlines)
            }
            let (pulled, built, other) = (try await id(name), try await id("built"), try await id("other"))
            let snapshots = URL(filePath: slipway.root + "/snapshots")
            for layer in try FileManager.default.contentsOfDirectory(at: snapshots, includingPropertiesForKeys: nil) {
                let file = layer.appending(path: "fs/damaged")
                guard FileManager.default.fileExists(atPath: file.path) else { continue }
                try Data("what it is!\n".utf8).write(to: file)
            }

            for file in ["slipway.db", "slipway.db-wal", "slipway.db-sums", "slipway.records"] {
                try Data("nothing of use".utf8).write(to: URL(filePath: slipway.root + "/" + file))
            }
            let refused = try await slipway("images")
            #expect(refused.status == 1 && refused.errorText.contains("system check --repair"), "\(refused.errorText)")
            let repaired = try await slipway.succeed("system", "check", "--repair")
            #expect(repaired.contains("its records are damaged too"))
            #expect(repaired.contains("found: image \(pulled), without its names\n"), "\(repaired)")
            #expect(repaired.contains("found: image \(built), without its names\n"), "\(repaired)")
            #expect(
                repaired.contains("lost: image \(other): its configuration is here, but not all of its 1 layers\n")
            )
            let listed = try await slipway.succeed("images", "--no-trunc", "--format", "{{.Repository}} {{.ID}}")
            #expect(Set(listed.split(separator: "\n")) == ["<none> \(pulled)", "<none> \(built)"])
            #expect(try await slipway.succeed("run", "--rm", "--network", "none", pulled, "echo", "runs") == "runs\n")
            #expect(
                try await slipway.succeed("run", "--rm", "--network", "none", built, "cat", "/built") == "built\n"
            )
            #expect(try await slipway.succeed("system", "check").contains("no problems"))
        }
    }
}
