import Foundation
import Proofs
import Testing

/// `RUN --device`: devices that files of the machine describe.
@Suite(.requires(.root, .program("crun")))
struct `Devices of RUN` {
    private let scratch: TemporaryDirectory

    init() throws {
        scratch = try TemporaryDirectory()
        try scratch.write(
            "[cdi]\nspecDirs = [\"low\", \"high\"]\nautoAllowed = [\"free.example/always\"]\n",
            to: "slipway.toml"
        )
        try scratch.write("of the host\n", to: "shared/file")
    }

    private func build(_ instructions: String, _ options: String..., cached: Bool = false) async throws -> ProgramResult
    {
        try await Slipway.shared().build(
            "FROM busybox\n" + instructions,
            (cached ? [] : ["--no-cache"]) + options,
            in: scratch,
            environment: ["SLIPWAY_CONFIG": scratch.url.appending(path: "slipway.toml").path]
        )
    }

    /// Two devices with everything that a specification can give, in YAML as vendors' tools write it.
    private func describeDevices() throws {
        try scratch.write(
            """
            ---
            cdiVersion: 0.6.0
            kind: vendor.example/thing
            annotations:
              org.mobyproject.buildkit.device.class: things
            containerEdits:
              env:
              - OF_ALL=yes
            devices:
            - name: "0"
              containerEdits:
                env:
                - WHICH=zero
                - PATH=/bin
                deviceNodes:
                - path: /dev/things/zero
                  hostPath: /dev/null
                  permissions: rw
                - path: /opt/node
                  hostPath: /dev/zero
                mounts:
                - hostPath: \(scratch.url.appending(path: "shared").path)
                  containerPath: /vendor
                  options: [ro, nosuid, nodev, bind]
                hooks:
                - hookName: createRuntime
                  path: /bin/sh
                  args: [sh, -c, 'cat > \(scratch.path)/hooked']
            - name: "1"
              containerEdits:
                env: [WHICH=one]
                deviceNodes:
                - {path: /dev/raw, type: c, major: 10, minor: 229, fileMode: 0640, uid: 5, gid: 6}
            """,
            to: "low/things.yaml"
        )
    }

    @Test(.proves("RUN --device")) func `are what the file says, where they are allowed`() async throws {
        try describeDevices()
        let step = """
            RUN --device=vendor.example/thing=0,required echo "$OF_ALL $WHICH"; cat /vendor/file; echo x > /dev/things/zero && \
                ! touch /vendor/new && head -c 3 /opt/node | wc -c && ls /dev/raw; true
            RUN echo "after: $OF_ALL" && ls /vendor /opt/node /dev/things; true

            """
        let refused = try await build(step)
        #expect(refused.status == 1)
        #expect(
            refused.errorText.contains(
                "device vendor.example/thing=0 is requested by the build but not allowed: "
                    + "allow it with --allow device=vendor.example/thing=0"
            )
        )
        #expect(refused.errorText.contains("Dockerfile:2"))
        let allowed = try await build(step, "--allow", "device=vendor.example/thing=0")
        try #require(allowed.status == 0, "\(allowed.errorText)")
        for text in [
            "yes zero", "of the host", " 3\n", "ls: /dev/raw: No such file or directory", "after: \n",
            "ls: /vendor: No such file", "ls: /opt/node: No such file", "ls: /dev/things: No such file",
        ] {
            #expect(allowed.errorText.contains(text), "\(text): \(allowed.errorText)")
        }
        // It reads what the runtime says of the container.
        #expect(try String(contentsOfFile: scratch.path + "/hooked", encoding: .utf8).contains("\"ociVersion\""))
    }

    @Test(.proves("RUN --device")) func `are found by class, by wildcard, by annotation and by alias`() async throws {
        try describeDevices()
        let shown = "sh -c 'echo \"got $WHICH\"; ls -l /dev/raw | cut -c1-45'"
        let all = try await build("RUN --device=vendor.example/thing=* \(shown)\n", "--allow", "device")
        #expect(all.errorText.contains("got one"), "\(all.errorText)")
        let owned = all.errorText.split(separator: "\n").first { $0.contains(" crw-r-----") }
        #expect(owned?.split(separator: " ").suffix(6).prefix(3) == ["1", "5", "6"], "\(all.errorText)")
        let first = try await build(
            "RUN --device=vendor.example/thing \(shown)\n",
            "--allow",
            "device=vendor.example/thing=*"
        )
        #expect(first.errorText.contains("got zero"), "\(first.errorText)")
        let annotated = try await build("RUN --device=things \(shown)\n", "--allow", "device=things")
        #expect(annotated.errorText.contains("got one"), "\(annotated.errorText)")
        let alias = "device=vendor.example/thing=1,alias=mine"
        let meant = try await build("RUN --device=mine,required \(shown)\n", "--allow", alias)
        #expect(meant.errorText.contains("got one"), "\(meant.errorText)")
    }

    @Test(.proves("RUN --device")) func `may be had by every build where the file or the configuration says so`()
        async throws
    {
        let json = """
            {"cdiVersion": "0.6.0", "kind": "free.example/KIND", "annotations": ANNOTATIONS,
             "devices": [{"name": "a", "containerEdits": {"env": ["HAD=KIND"]}}]}
            """
        let annotation = #"{"org.mobyproject.buildkit.device.autoallow": "true"}"#
        for (kind, annotations) in [("said", annotation), ("always", "{}"), ("never", "{}")] {
            let text = json.replacingOccurrences(of: "KIND", with: kind)
            try scratch.write(text.replacingOccurrences(of: "ANNOTATIONS", with: annotations), to: "low/\(kind).json")
        }
        for kind in ["said", "always"] {
            let built = try await build("RUN --device=free.example/\(kind)=a echo \"had $HAD\"\n")
            #expect(built.errorText.contains("had \(kind)"), "\(built.errorText)")
        }
        let refused = try await build("RUN --device=free.example/never=a true\n")
        #expect(refused.status == 1 && refused.errorText.contains("not allowed"))
    }

    @Test(.proves("RUN --device")) func `that are not there are missed only where they are required`() async throws {
        let optional = try await build("RUN --device=vendor.example/gpu=all echo without\n")
        #expect(optional.status == 0 && optional.errorText.contains("without"), "\(optional.errorText)")
        try scratch.write("{\n\"cdiVersion\": \"0.6.0\",\n\"kid\": \"a\"}", to: "high/broken.json")
        let required = try await build("RUN --device=vendor.example/gpu=all,required true\n", "--allow", "device")
        #expect(required.status == 1 && required.errorText.contains("Dockerfile:2"))
        let text = required.errorText
        #expect(text.contains("required device \"vendor.example/gpu=all\" is not registered: no CDI specification in "))
        #expect(text.contains("/high/broken.json:3: unknown field \"kid\""), "\(text)")
    }

    @Test(.proves("RUN --device")) func `decide what the cache knows, by the names that were found`() async throws {
        let step = "RUN --device=vendor.example/thing=1 echo \"made $WHICH\" > /made\n"
        let without = try await build(step, cached: true)
        #expect(!without.errorText.contains("CACHED [2/2]"))
        try describeDevices()
        let with = try await build(step, "--allow", "device=vendor.example/thing=1", cached: true)
        #expect(with.status == 0 && !with.errorText.contains("#5 CACHED"), "\(with.errorText)")
        let again = try await build(step, "--allow", "device=vendor.example/thing=*", cached: true)
        #expect(again.errorText.contains("#5 CACHED"), "\(again.errorText)")
    }
}
