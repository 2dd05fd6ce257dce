import Foundation
import SystemPackage
import Testing

/// What the program itself moves between its stores and a registry: the build that users run, whatever form it was compiled in.
@Suite(.requires(.root, .program("crun"), .program("docker-registry"), .program("skopeo")))
struct `The program and a registry` {
    @Test func `an image that was built is pushed, pulled elsewhere and run`() async throws {
        try await withScratchDirectory { root in
            let registry = try await RegistryServer.start(in: root)
            let scratch = try TemporaryDirectory()
            try scratch.write("FROM busybox\nCOPY greeting /\nCMD [\"cat\", \"/greeting\"]\n", to: "context/Dockerfile")
            try scratch.write("hello from \(registry.host)\n", to: "context/greeting")
            let slipway = try await Slipway.shared()
            let name = "\(registry.host)/team/greeter:1"
            try await slipway.succeed("build", "-t", name, ".", in: scratch.url.appending(path: "context"))
            let pushed = try await slipway.succeed("push", name)
            #expect(pushed.contains("The push refers to repository [\(registry.host)/team/greeter]"))
            #expect(pushed.contains("1: digest: sha256:"))

            let seen = try await runProgram("skopeo", ["inspect", "--raw", "--tls-verify=false", "docker://\(name)"])
            try #require(seen.status == 0, "\(seen.errorText)")
            // As every registry's users expect, the layer of the imported base is compressed too.
            let types = seen.text.components(separatedBy: "application/vnd.oci.image.layer.v1.tar+gzip").count - 1
            #expect(types == 2, "\(seen.text)")

            let (other, directory) = try Slipway.isolated()
            defer { withExtendedLifetime(directory) {} }
            let pulled = try await other.succeed("pull", name)
            #expect(pulled.contains("Pull complete") && pulled.contains("Status: Downloaded newer image for \(name)"))
            #expect(pulled.hasSuffix("\(name)\n"))
            #expect(try await other.succeed("pull", name).contains("Status: Image is up to date for \(name)"))
            #expect(try await other.succeed("run", "--rm", name) == "hello from \(registry.host)\n")
        }
    }

    @Test func `an image that another tool pushed is the base of a build`() async throws {
        try await withScratchDirectory { root in
            let registry = try await RegistryServer.start(in: root)
            let scratch = try TemporaryDirectory()
            let shared = try await Slipway.shared()
            let archive = scratch.url.appending(path: "busybox.tar").path
            try await shared.succeed("save", "-o", archive, "busybox:latest")
            let name = "\(registry.host)/base:1"
            let copied = try await runProgram(
                "skopeo",
                ["copy", "-q", "--dest-tls-verify=false", "docker-archive:\(archive)", "docker://\(name)"]
            )
            try #require(copied.status == 0, "\(copied.errorText)")
            try scratch.write("FROM \(name)\nRUN echo built > /result\n", to: "context/Dockerfile")
            let (slipway, directory) = try Slipway.isolated()
            defer { withExtendedLifetime(directory) {} }
            let context = scratch.url.appending(path: "context")
            try await slipway.succeed("build", "-t", "result", ".", in: context)
            #expect(try await slipway.succeed("run", "--rm", "result", "cat", "/result") == "built\n")
            let again = try await slipway("build", "--progress=plain", ".", in: context)
            #expect(again.status == 0 && again.errorText.contains("[2/2] RUN echo built > /result\n"))
            #expect(again.errorText.split(separator: "\n").filter { $0.hasSuffix(" CACHED") }.count == 2)
        }
    }
}
