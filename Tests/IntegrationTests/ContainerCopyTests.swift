import Foundation
import Testing

/// `cp`.
extension `Container commands` {
    @Test(arguments: [false, true]) func `files are copied in and out by cp's rules`(isRunning: Bool) async throws {
        try await withName { slipway, name in
            if isRunning {
                try await slipway.succeed(
                    "run",
                    "-d",
                    "--name",
                    name,
                    "--network",
                    "none",
                    "busybox",
                    "sh",
                    "-c",
                    "sleep 100000"
                )
            } else {
                try await slipway.succeed("create", "--name", name, "busybox", "true")
            }
            func copy(_ source: String, _ destination: String) async throws -> ProgramResult {
                try await slipway("cp", source, destination, in: scratch.url)
            }
            func text(_ path: String) throws -> String {
                try String(contentsOf: scratch.url.appending(path: path), encoding: .utf8)
            }
            try scratch.write("one\n", to: "tree/sub/file")
            // A directory that is not there is made; one that is gets the source in it; `/.` means the contents.
            for (source, destination) in [
                ("tree", "\(name):/new"), ("tree", "\(name):/new"), ("tree/.", "\(name):/tmp"),
            ] {
                try await copy(source, destination).check()
            }
            for path in ["/new/sub/file", "/new/tree/sub/file", "/tmp/sub/file"] {
                try await copy("\(name):\(path)", "out").check()
                #expect(try text("out") == "one\n", "\(path)")
            }
            try await copy("tree/sub/file", "\(name):/tmp/renamed").check()
            try await copy("\(name):/tmp/renamed", ".").check()
            #expect(try text("renamed") == "one\n")
            try await copy("\(name):/new/tree", "back").check()
            #expect(try text("back/sub/file") == "one\n")
            let listed = try await runProgram(
                "sh",
                ["-c", "\"\(try Slipway.binary)\" cp \(name):/new - | tar -t"],
                in: scratch.url,
                environment: ["SLIPWAY_ROOT": slipway.root]
            )
            #expect(
                listed.text.split(separator: "\n").sorted() == [
                    "new/", "new/sub/", "new/sub/file", "new/tree/", "new/tree/sub/", "new/tree/sub/file",
                ]
            )
            for (source, destination, message) in [
                ("\(name):/nothing", "x", "could not find the file /nothing"),
                ("tree", "\(name):/etc/passwd", "cannot copy directory"),
                ("tree/sub/file", "\(name):/none/", "no such directory: /none"),
                ("tree", "other", "must specify at least one container source"),
                ("\(name):/a", "\(name):/b", "copying between containers is not supported"),
            ] {
                let failed = try await copy(source, destination)
                #expect(failed.status == 1)
                #expect(failed.errorText == "Error: \(message)\n")
            }
        }
    }

    @Test func `no link in a container leads a copy out of it`() async throws {
        try await withName { slipway, name in
            let secret = scratch.url.appending(path: "host").path
            try scratch.write("host\n", to: "host")
            try scratch.write("new\n", to: "in")
            let made = try await slipway(
                "run",
                "--name",
                name,
                "--network",
                "none",
                "busybox",
                "sh",
                "-c",
                "ln -s \(secret) /link; ln -s / /root-link; mkdir -p /d; ln -s \(scratch.path) /d/dir"
            )
            #expect(made.status == 0, "\(made.errorText)")
            // Inside the container's own root the links lead to nothing.
            #expect(try await slipway("cp", "-L", "\(name):/link", "out", in: scratch.url).status == 1)
            #expect(try await slipway("cp", "in", "\(name):/d/dir/x", in: scratch.url).status == 1)
            _ = try await slipway("cp", "in", "\(name):/link", in: scratch.url)
            #expect(try String(contentsOfFile: secret, encoding: .utf8) == "host\n")
        }
    }
}

extension ProgramResult {
    /// Fails the test where the program failed.
    fileprivate func check(sourceLocation: SourceLocation = #_sourceLocation) throws {
        try #require(status == 0, "\(errorText)", sourceLocation: sourceLocation)
    }
}
