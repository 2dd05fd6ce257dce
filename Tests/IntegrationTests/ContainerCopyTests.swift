import Foundation
import Proofs
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

    /// A container that appends to /t/log all the time.
    private func writing(_ slipway: Slipway, _ name: String) async throws {
        let script = "mkdir /t /fifos; mkfifo /fifos/f; while :; do echo 0123456789 >> /t/log; done"
        try await slipway.succeed("run", "-d", "--name", name, "--network", "none", "busybox", "sh", "-c", script)
        let wait = "until [ -s /t/log ] && [ -p /fifos/f ]; do sleep 0.01; done"
        try await slipway.succeed("exec", name, "sh", "-c", wait)
    }

    @Test(.proves("B6: a file that another process"))
    func `a file that grows is copied as it was at one moment, alone and in its directory`() async throws {
        try await withName { slipway, name in
            try await writing(slipway, name)
            let line = "0123456789\n"
            for (source, copy) in [("/t/log", "log"), ("/t", "t/log"), ("/t/.", "log")] {
                try await slipway("cp", "\(name):\(source)", ".", in: scratch.url).check()
                let text = try String(contentsOf: scratch.url.appending(path: copy), encoding: .utf8)
                let whole = String(repeating: line, count: text.utf8.count / line.utf8.count + 1)
                #expect(!text.isEmpty && whole.hasPrefix(text), "\(source)")
            }
            let listed = try await slipway("cp", "\(name):/t", "-", in: scratch.url)
            try listed.check()
            let archive = try await runProgram("tar", ["-t"], input: listed.output)
            #expect(archive.status == 0 && archive.text == "t/\nt/log\n", "\(archive.errorText)")
        }
    }

    @Test(.proves("B6: a file that another process"))
    func `the kernel's files, whose size is not known before they are read, are copied whole`() async throws {
        try await withName { slipway, name in
            try await writing(slipway, name)
            let version = try String(contentsOfFile: "/proc/version", encoding: .utf8)
            try await slipway("cp", "\(name):/proc/version", "out", in: scratch.url).check()
            #expect(try String(contentsOf: scratch.url.appending(path: "out"), encoding: .utf8) == version)
            try await slipway("cp", "/proc/version", "\(name):/tmp/in", in: scratch.url).check()
            #expect(try await slipway.succeed("exec", name, "cat", "/tmp/in") == version)
            // In /sys a size is given, and it is too large.
            try await slipway("cp", "\(name):/sys/kernel/mm/transparent_hugepage/.", "thp", in: scratch.url).check()
            let size = "hpage_pmd_size"
            let expected = try String(contentsOfFile: "/sys/kernel/mm/transparent_hugepage/\(size)", encoding: .utf8)
            #expect(try String(contentsOf: scratch.url.appending(path: "thp/\(size)"), encoding: .utf8) == expected)
        }
    }

    @Test(.proves("B8: cp follows a link that leads"))
    func `pipes are copied as pipes, and neither a device nor a directory is replaced`() async throws {
        try await withName { slipway, name in
            try await writing(slipway, name)
            try await slipway("cp", "\(name):/fifos/f", "pipe", in: scratch.url).check()
            try await slipway("cp", "\(name):/fifos", "pipes", in: scratch.url).check()
            let types = try await runProgram("stat", ["-c", "%F", "pipe", "pipes/f"], in: scratch.url)
            #expect(types.text == "fifo\nfifo\n")
            try #require(try await runProgram("mknod", ["null", "c", "1", "3"], in: scratch.url).status == 0)
            try scratch.write("x", to: "directory/log/kept")
            for destination in ["null", "directory"] {
                #expect(try await slipway("cp", "\(name):/t/log", destination, in: scratch.url).status == 1)
            }
            let kept = try await runProgram("stat", ["-c", "%F", "null", "directory/log/kept"], in: scratch.url)
            #expect(kept.text == "character special file\nregular file\n")
        }
    }

    @Test(
        .proves("B8: cp follows a link that leads", "C20: cp - of an archive with an"),
        arguments: ["cat", "gzip", "bzip2", "xz"]
    ) func `an archive on standard input may be compressed`(
        program: String
    ) async throws {
        try await withName { slipway, name in
            try await slipway.succeed("create", "--name", name, "busybox", "stat", "-c", "%a %u", "/tmp", "/tmp/file")
            try scratch.write("x\n", to: "tree/file")
            let script = "chmod 700 tree; tar -C tree --owner=1234 --mode=0640 -c . | \(program)"
            let archive = try await runProgram("sh", ["-c", script], in: scratch.url)
            try await slipway("cp", "-", "\(name):/tmp", input: archive.output).check()
            // The entry of the destination itself changes nothing of it.
            let before = try await slipway.succeed("run", "--rm", "busybox", "stat", "-c", "%a %u", "/tmp")
            #expect(try await slipway.succeed("start", "-a", name) == before + "640 1234\n")
        }
    }

    @Test(.proves("B7: cp with a container that does", "B8: cp follows a link that leads"))
    func `what a container has mounted is there while it does not run`() async throws {
        try await withName { slipway, name in
            try scratch.write("bound\n", to: "host/file")
            try scratch.write("new\n", to: "in")
            let host = scratch.url.appending(path: "host").path
            // The second container finds the volume in use.
            try await slipway.succeed("create", "--name", name + "-a", "-v", "\(name):/etc", "busybox", "true")
            try await slipway.succeed(
                "create",
                "--name",
                name,
                "--read-only",
                "-v",
                "\(name):/v",
                "-v",
                "\(host):/b",
                "-v",
                "\(host):/r:ro",
                "busybox",
                "cat",
                "/v/in",
                "/b/in"
            )
            for path in ["/v/in", "/b/in"] { try await slipway("cp", "in", "\(name):\(path)", in: scratch.url).check() }
            try await slipway("cp", "\(name):/b/file", "out", in: scratch.url).check()
            #expect(try String(contentsOf: scratch.url.appending(path: "out"), encoding: .utf8) == "bound\n")
            for (path, message) in [
                ("/r/in2", "mounted volume is marked read-only: /r"),
                ("/tmp/in", "container rootfs is marked read-only"),
            ] {
                let refused = try await slipway("cp", "in", "\(name):\(path)", in: scratch.url)
                #expect(refused.status == 1 && refused.errorText == "Error: \(message)\n")
            }
            #expect(try await slipway.succeed("start", "-a", name) == "new\nnew\n")
            #expect(try String(contentsOfFile: host + "/in", encoding: .utf8) == "new\n")
            try await slipway("cp", "\(name)-a:/etc/in", "again", in: scratch.url).check()
            try await slipway.succeed("rm", name + "-a")
        }
    }

    @Test(.proves("B8: cp follows a link that leads"))
    func `a copy onto a link that leads to nothing goes where the link leads`() async throws {
        try await withName { slipway, name in
            let script = "ln -s /tmp/target /tmp/link; ln -s /none/target /tmp/broken"
            try await slipway("run", "--name", name, "--network", "none", "busybox", "sh", "-c", script).check()
            try scratch.write("x\n", to: "in")
            try await slipway("cp", "in", "\(name):/tmp/link", in: scratch.url).check()
            #expect(try await slipway("cp", "in", "\(name):/tmp/broken", in: scratch.url).status == 1)
            try await slipway("cp", "\(name):/tmp/target", "out", in: scratch.url).check()
            let link = try await slipway("cp", "\(name):/tmp/link", "-", in: scratch.url)
            #expect(try await runProgram("tar", ["-tv"], input: link.output).text.contains("link -> /tmp/target"))
            try FileManager.default.createSymbolicLink(
                atPath: scratch.url.appending(path: "away").path,
                withDestinationPath: "elsewhere"
            )
            try await slipway("cp", "\(name):/tmp/target", "away", in: scratch.url).check()
            #expect(try String(contentsOf: scratch.url.appending(path: "elsewhere"), encoding: .utf8) == "x\n")
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
