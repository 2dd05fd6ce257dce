import Foundation
import Proofs
import Testing

/// What Docker's API says of the daemon as a whole.
@Suite(.requires(.root, .program("/usr/bin/docker"), .program("busybox"), .program("conmon"), .program("crun")))
struct DockerSystemTests {
    @Test(.proves("docker events"))
    func `events tell of containers and images, whichever program changed them`() async throws {
        let daemon = try await DockerDaemon.start()
        let end = Int(Date().timeIntervalSince1970) + 15
        async let followed = daemon.succeed(
            "events",
            "--until",
            "\(end)",
            "--filter",
            "type=container",
            "--format",
            "{{.Action}} {{.Actor.Attributes.name}}"
        )
        // It follows from when it is connected on.
        try await Task.sleep(for: .seconds(1))
        #expect(try await daemon.docker("run", "--name", "first", "busybox", "sh", "-c", "exit 3").status == 3)
        try await daemon.slipway.succeed("run", "-d", "--name", "second", "busybox", "true")
        try await daemon.slipway.succeed("wait", "second")
        try await daemon.succeed("rm", "first", "second")
        try await daemon.succeed("tag", "busybox", "other:1")
        try await daemon.succeed("rmi", "other:1")
        // The client asks for whole seconds.
        try await Task.sleep(for: .seconds(1))
        let lines = try await daemon.succeed(
            "events",
            "--since",
            "5m",
            "--until",
            "0s",
            "--format",
            "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}"
        ).split(separator: "\n").map(String.init)
        for name in ["first", "second"] {
            let own = lines.filter { $0.hasSuffix(" " + name) && !$0.contains("attach") && !$0.contains("kill") }
            #expect(own == ["create", "start", "die", "destroy"].map { "container \($0) \(name)" })
        }
        #expect(lines.contains("image tag other:1"))
        #expect(lines.contains("image untag other:1"))
        let codes = try await daemon.succeed(
            "events",
            "--since",
            "5m",
            "--until",
            "0s",
            "--filter",
            "event=die",
            "--filter",
            "container=first",
            "--format",
            "{{.Actor.Attributes.exitCode}}"
        )
        #expect(codes == "3")
        let told = try await followed
        #expect(told.contains("die first"))
        #expect(told.contains("destroy second"))
        #expect(!told.contains("tag"))
    }

    @Test(.proves("docker system df and builder prune"))
    func `docker shows what takes room, and empties the build cache`() async throws {
        let daemon = try await DockerDaemon.start()
        try daemon.scratch.write("FROM busybox\nRUN echo a > /a\n", to: "context/Dockerfile")
        try await daemon.succeed("build", "-q", daemon.scratch.path + "/context")
        try await daemon.succeed("create", "-v", "data:/data", "busybox", "true")
        let rows = try await daemon.succeed("system", "df", "--format", "{{.Type}} {{.TotalCount}}").split(
            separator: "\n"
        )
        #expect(rows.contains("Images 2"))
        #expect(rows.contains("Containers 1"))
        #expect(rows.contains("Local Volumes 1"))
        #expect(!rows.contains("Build Cache 0"))
        #expect(try await daemon.succeed("system", "df", "-v").contains("busybox"))
        #expect(try await daemon.succeed("builder", "prune", "-a", "-f").contains("Total"))
        let after = try await daemon.succeed("system", "df", "--format", "{{.Type}} {{.TotalCount}}").split(
            separator: "\n"
        )
        #expect(after.contains("Build Cache 0"))
    }

    @Test(.proves("Docker's REST API"), .requires(.program("curl")))
    func `requests are answered with the statuses and words of the engine`() async throws {
        let daemon = try await DockerDaemon.start()
        func check(
            _ method: String,
            _ path: String,
            _ status: Int,
            _ text: String = "",
            body: String? = nil,
            sourceLocation: SourceLocation = #_sourceLocation
        ) async throws {
            let answer = try await daemon.request(method, path, body: body)
            #expect(answer.status == status, "\(method) \(path): \(answer.body)", sourceLocation: sourceLocation)
            #expect(
                text.isEmpty || answer.body.contains(text),
                "\(method) \(path): \(answer.body)",
                sourceLocation: sourceLocation
            )
        }
        try await check("GET", "/_ping", 200, "OK")
        try await check("GET", "/v1.40/_ping", 200, "OK")
        try await check("GET", "/v1.56/images/json", 200, "busybox:latest")
        try await check("GET", "/images/json", 200, "busybox:latest")
        try await check(
            "GET",
            "/v1.39/images/json",
            400,
            "client version 1.39 is too old. Minimum supported API version is 1.40"
        )
        try await check(
            "GET",
            "/v1.57/images/json",
            400,
            "client version 1.57 is too new. Maximum supported API version is 1.56"
        )
        try await check("GET", "/nothing", 404, #"{"message":"page not found"}"#)
        try await check("PUT", "/images/json", 404, "page not found")
        try await check("GET", "/v1.41/nodes", 503, "This node is not a swarm manager")
        try await check("POST", "/swarm/leave", 503, "This node is not part of a swarm")
        try await check("GET", "/plugins", 200, "[]")
        try await check("GET", "/networks", 501, "listing networks is not supported")
        try await check("GET", "/containers/nothing/json", 404, "No such container: nothing")
        try await check("POST", "/containers/create", 400, "body", body: "[1]")
        try await check("POST", "/containers/create", 400, "body", body: "{")
        try await check("POST", "/containers/create", 404, "No such image: none:latest", body: #"{"Image":"none"}"#)
        try await check(
            "POST",
            "/containers/create",
            400,
            "HostConfig.Sysctls is not supported",
            body: #"{"Image":"busybox","HostConfig":{"Sysctls":{"a":"b"}}}"#
        )
        let deep = #"{"Image":"# + String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000) + "}"
        try await check("POST", "/containers/create", 400, "deeper than", body: deep)
        let large = #"{"Image":"busybox","Labels":{"a":""# + String(repeating: "x", count: 5 << 20) + #""}}"#
        try await check("POST", "/containers/create", 413, "larger than", body: large)
        try await check("GET", "/images/json?filters=%7B", 400, "filters")
        try await check("GET", "/images/json?filters=" + String(repeating: "x", count: 70_000), 400)
        try await check("GET", "/containers/%zz/json", 400, "invalid URL escape")
        try await check("POST", "/exec/none/start", 404, "No such exec instance", body: "{}")
        try await check(
            "POST",
            "/containers/create?name=a%2Fb",
            400,
            "Invalid container name",
            body: #"{"Image":"busybox"}"#
        )
        try await check("POST", "/containers/create?name=one", 201, "Id", body: #"{"Image":"busybox","Cmd":["true"]}"#)
        try await check(
            "POST",
            "/containers/create?name=one",
            409,
            "already in use",
            body: #"{"Image":"busybox","Cmd":["true"]}"#
        )
        try await check("POST", "/containers/one/stop", 304)
        try await check("POST", "/containers/one/kill", 409, "is not running")
        try await check("POST", "/containers/one/wait?condition=never", 400, "invalid condition")
        try await check("POST", "/containers/one/start", 204)
        try await check("POST", "/containers/one/wait", 200, #"{"StatusCode":0}"#)
        try await check("GET", "/containers/one/logs", 400, "you must choose at least one stream")
        try await check("HEAD", "/containers/one/archive?path=/bin", 200, "X-Docker-Container-Path-Stat")
        try await check("HEAD", "/containers/one/archive?path=/none", 404)
        try await check("DELETE", "/containers/one", 204)
    }

    @Test(.proves("Docker's REST API"))
    func `a daemon that is killed and comes back finds its containers, and those that ended meanwhile`() async throws {
        let daemon = try await DockerDaemon.start()
        try await daemon.succeed("run", "-d", "--name", "long", "busybox", "sleep", "1000")
        try await daemon.succeed("run", "-d", "--name", "short", "busybox", "sh", "-c", "sleep 1; echo over; exit 9")
        daemon.kill()
        try await Task.sleep(for: .seconds(2))
        let next = try await daemon.next()
        #expect(try await next.succeed("inspect", "--format", "{{.State.Status}}", "long") == "running")
        #expect(
            try await next.succeed("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "short")
                == "exited 9"
        )
        #expect(try await next.succeed("logs", "short") == "over")
        #expect(try await next.docker("exec", "long", "true").status == 0)
        try await next.succeed("rm", "-f", "long", "short")
    }
}
