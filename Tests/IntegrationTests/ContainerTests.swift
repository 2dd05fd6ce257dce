import CommandLine
import Containers
import Foundation
import LinuxSystem
import OCI
import Snapshots
import Storage
import Synchronization
import SystemPackage
import Testing
import Text

@Suite(.serialized, .requires(.root, .program("crun"), .program("conmon"), .program("busybox"), .program("curl")))
struct `Containers` {
    /// A store with one image of busybox in it.
    private func withContainers<Value>(_ body: (ContainerStore, ImageToRun, FilePath) async throws -> Value)
        async throws -> Value
    {
        try await withScratchDirectory { scratch in
            let root = try await makeBusyboxRoot(in: scratch)
            let store = try await Store.open(at: scratch.appending("store"), tables: .all)
            let snapshots = SnapshotStore(store: store)
            let (_, layer) = try await snapshots.lasting.withActiveSnapshot(on: .empty) { active in
                let copied = try await ChildProcess.run(
                    ChildProcessConfiguration(.named("cp"), ["-a", root.string + "/.", active.root.string])
                )
                #expect(copied.status.isSuccess)
            }
            var defaults = ContainerDefaults()
            defaults.command = ["/bin/sh", "-c", "echo default"]
            defaults.environment = ["PATH=/bin", "COLOR=red"]
            let image = ImageToRun(id: Digest.sha256(of: [1]), defaults: defaults, layers: [layer])
            return try await body(ContainerStore(store: store, snapshots: snapshots), image, scratch)
        }
    }

    private func request(_ image: ImageToRun, _ command: String...) -> ContainerRequest {
        var request = ContainerRequest(imageName: "busybox", image: image)
        request.command = command
        request.network = .none
        request.stopTimeout = 1
        return request
    }

    private func run(_ containers: ContainerStore, _ request: ContainerRequest) async throws -> (
        code: CInt, output: String
    ) {
        let text = Mutex<[UInt8]>([])
        let streams = AttachedStreams { _, bytes in text.withLock { $0 += bytes } }
        let code = try await containers.runAttached(try await containers.create(request), streams)
        return (code, text.withLock { String(decoding: $0, as: UTF8.self) })
    }

    private func answers(_ url: String) async throws -> Bool {
        for _ in 0..<600 {
            let answer = try await ChildProcess.run(ChildProcessConfiguration(.named("curl"), ["-sf", "-m", "2", url]))
            if answer.status.isSuccess { return String(decoding: answer.output, as: UTF8.self) == "hello\n" }
            try await Task.sleep(for: .milliseconds(100))
        }
        return false
    }

    @Test func `a container runs the image's command or the one given`() async throws {
        try await withContainers { containers, image, _ in
            var first = request(image)
            first.isRemovedAtEnd = true
            let plain = try await run(containers, first)
            #expect(plain.output == "default\n")
            let given = try await run(containers, request(image, "/bin/sh", "-c", "echo $COLOR $HOSTNAME; exit 3"))
            #expect(given.code == 3)
            #expect(given.output.hasPrefix("red "))
            let list = try await containers.list()
            #expect(list.map(\.state.status) == [.exited])
            #expect(list.first?.state.exitCode == 3)
            try await containers.remove(try #require(list.first))
            let left = try await containers.list()
            #expect(left.isEmpty)
        }
    }

    @Test func `volumes are filled once and kept, anonymous ones go`() async throws {
        try await withContainers { containers, image, scratch in
            var writing = request(image, "/bin/sh", "-c", "cat /etc/passwd | head -n 1; echo more >> /etc/more")
            writing.mounts = [try ContainerMount(parsingVolume: "data:/etc")]
            let first = try await run(containers, writing)
            #expect(first.output == "root:x:0:0:root:/root:/bin/sh\n")
            var reading = request(image, "/bin/sh", "-c", "cat /etc/more; ls /v; touch /v/x /ro/x")
            reading.mounts = [
                try ContainerMount(parsingVolume: "data:/etc"), try ContainerMount(parsingVolume: "/v"),
                try ContainerMount(parsingVolume: "\(scratch.string):/ro:ro"),
            ]
            reading.isRemovedAtEnd = true
            let second = try await run(containers, reading)
            // The two streams come by pipes of their own: in which order is open.
            #expect(second.output.contains("more\n"))
            #expect(second.output.contains("Read-only file system"))
            let volumes = try FileManager.default.contentsOfDirectory(atPath: scratch.appending("store/volumes").string)
            #expect(volumes.filter { !$0.hasPrefix(".") } == ["data"])
        }
    }

    @Test func `a detached container is logged, entered, stopped and removed`() async throws {
        try await withContainers { containers, image, _ in
            var request = request(
                image,
                "/bin/sh",
                "-c",
                "echo out; echo err >&2; trap 'exit 5' TERM; while :; do sleep 0.1; done"
            )
            request.name = "worker"
            let made = try await containers.create(request)
            try await containers.start(made)
            var running = try await containers.container("worker")
            #expect(running.state.status == .running)
            let streams = AttachedStreams { _, _ in }
            let code = try await containers.exec(
                ExecRequest(arguments: ["/bin/sh", "-c", "exit 9"]),
                in: running,
                streams
            )
            #expect(code == .exited(9))
            await #expect(throws: ContainerError.isRunning(id: running.id)) { try await containers.remove(running) }
            try await containers.stop(running, timeout: 5)
            running = try await containers.container(String(made.id.prefix(12)))
            #expect(running.state.status == .exited)
            #expect(running.state.exitCode == 5)
            var lines: [ContainerLogLine] = []
            try await containers.logs(of: running) { lines += $0 }
            #expect(lines.map { String(decoding: $0.bytes, as: UTF8.self) }.sorted() == ["err\n", "out\n"])
            try await containers.remove(running)
            await #expect(throws: ContainerError.notFound("worker")) { try await containers.container("worker") }
        }
    }

    @Test func `a container reaches no device of the host, however a process enters it`() async throws {
        try await withContainers { containers, image, _ in
            let open = "cat /n > /dev/null; head -c 2 /dev/zero | wc -c"
            let (_, attached) = try await run(containers, request(image, "sh", "-c", "mknod /n c 10 229; \(open)"))
            #expect(attached.contains("can't open '/n': Operation not permitted") && attached.contains("2\n"))
            let detached = try await containers.create(request(image, "sh", "-c", "mknod /n c 10 229; sleep 60"))
            try await containers.start(detached)
            let running = try await containers.container(detached.id)
            let text = Mutex<[UInt8]>([])
            let streams = AttachedStreams { _, bytes in text.withLock { $0 += bytes } }
            let command = ["sh", "-c", "while ! test -e /n; do sleep 0.1; done; \(open)"]
            _ = try await containers.exec(ExecRequest(arguments: command), in: running, streams)
            let entered = text.withLock { String(decoding: $0, as: UTF8.self) }
            #expect(entered.contains("can't open '/n': Operation not permitted") && entered.contains("2\n"))
            try await containers.remove(running, force: true)
            var privileged = request(image, "sh", "-c", "mknod /n c 10 229; \(open)")
            privileged.options.isPrivileged = true
            let (_, trusted) = try await run(containers, privileged)
            // Whether the device is there or not, it is asked.
            #expect(!trusted.contains("can't open '/n': Operation not permitted"), "\(trusted)")
        }
    }

    @Test func `a published port answers, attached and detached`() async throws {
        try await withContainers { containers, image, _ in
            let server = "echo hello > /index.html; exec httpd -f -p 8000 -h /"
            var request = request(image, "/bin/sh", "-c", server)
            request.network = .bridge
            request.ports = try PublishedPort.parse("127.0.0.1::8000")
            request.isRemovedAtEnd = true
            let made = try await containers.create(request)
            try await containers.start(made)
            let running = try await containers.container(made.id)
            let port = try #require(running.state.ports.first?.hostPort)
            let isAnswered = try await answers("http://127.0.0.1:\(port)/")
            #expect(isAnswered)
            try await containers.stop(running, timeout: 1)
            let left = try await containers.list()
            #expect(left.isEmpty)

            request.ports = try PublishedPort.parse("18765:8000")
            let attached = try await containers.create(request)
            let task = Task { try await containers.runAttached(attached, AttachedStreams { _, _ in }) }
            let isAnsweredToo = try await answers("http://127.0.0.1:18765/")
            #expect(isAnsweredToo)
            task.cancel()
            _ = try? await task.value
            let after = try await containers.list()
            #expect(after.isEmpty)
            let rules = try await ChildProcess.run(ChildProcessConfiguration(.named("iptables"), ["-t", "nat", "-S"]))
            #expect(String(decoding: rules.output, as: UTF8.self).contains("18765") == false)
        }
    }
}
