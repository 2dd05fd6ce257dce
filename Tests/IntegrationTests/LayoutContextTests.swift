import Foundation
import Proofs
import Testing

/// `--build-context name=oci-layout://…`, with layouts that skopeo and umoci make.
@Suite(.requires(.root, .program("crun"), .program("skopeo"), .program("umoci"), .program("python3")))
struct `Contexts of layout directories` {
    private let scratch: TemporaryDirectory
    private let slipway: Slipway
    private let store: TemporaryDirectory

    init() throws {
        scratch = try TemporaryDirectory()
        (slipway, store) = try Slipway.isolated()
        try scratch.write("main\n", to: "context/main")
    }

    /// Runs a script in the scratch directory.
    @discardableResult
    private func shell(_ script: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> String {
        let result = try await runProgram("sh", ["-ec", script], in: scratch.url)
        try #require(result.status == 0, "\(script): \(result.errorText)", sourceLocation: sourceLocation)
        return result.text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// An image of two layers with settings, as skopeo writes it to `layout:one`, and its digest.
    private func makeLayout(_ options: String = "") async throws -> String {
        try scratch.write("FROM scratch\nCOPY a /a\nCOPY b /dir/b\nENV FROM_BASE=yes\n", to: "base/Dockerfile")
        try scratch.write("a\n", to: "base/a")
        try scratch.write("b\n", to: "base/b")
        let made = try await slipway.run(
            ["build", "-q", "-o", "type=oci,dest=../base.tar", "."],
            in: scratch.url.appending(path: "base")
        )
        try #require(made.status == 0, "\(made.errorText)")
        return try await shell(
            """
            skopeo --insecure-policy copy -q \(options) oci-archive:base.tar oci:layout:one
            skopeo --insecure-policy inspect --format '{{.Digest}}' oci:layout:one
            """
        )
    }

    /// Builds with the context `base`, in a store that knows nothing yet.
    private func build(_ dockerfile: String, _ address: String, _ options: String...) async throws -> ProgramResult {
        try scratch.write(dockerfile, to: "context/Dockerfile")
        return try await slipway.run(
            ["build", "--progress=plain", "--build-context", "base=oci-layout://\(address)"] + options + ["."],
            in: scratch.url.appending(path: "context")
        )
    }

    private func content(_ name: String) throws -> String {
        try String(contentsOf: scratch.url.appending(path: "out/\(name)"), encoding: .utf8)
    }

    @Test(.proves("COPY --from", "Named contexts"))
    func `an image that skopeo wrote is a base and a source of COPY, by tag, by digest and by itself`()
        async throws
    {
        let digest = try await makeLayout("--dest-compress")
        try await slipway.succeed("system", "prune", "-a", "-f")
        let dockerfile = """
            FROM base AS made
            COPY --from=base /dir/b /copied
            FROM made
            COPY main /
            """
        for address in ["../layout:one", "../layout", "../layout@\(digest)", "\(scratch.path)/layout:one@\(digest)"] {
            try await shell("rm -rf out")
            let built = try await build(
                dockerfile,
                address,
                "-t",
                "result",
                "-o",
                "type=image",
                "-o",
                "type=local,dest=../out"
            )
            try #require(built.status == 0, "\(address): \(built.errorText)")
            #expect(try content("a") == "a\n" && content("copied") == "b\n" && content("main") == "main\n")
        }
        let variables = try await slipway.succeed("image", "inspect", "--format", "{{.Config.Env}}", "result")
        #expect(variables.contains("FROM_BASE=yes"))
        // What was built lives on without the directory.
        try await shell("rm -rf layout")
        try await slipway.succeed("save", "-o", scratch.path + "/saved.tar", "result")
        #expect(try await slipway("system", "check").status == 0)
    }

    @Test(.proves("--build-context")) func `an image that umoci wrote is a base, and the platform chooses in an index`()
        async throws
    {
        try await shell(
            """
            umoci init --layout layout && umoci new --image layout:v1
            mkdir tree && echo inserted > tree/file
            umoci insert --image layout:v1 tree /from-umoci
            umoci config --image layout:v1 --config.env WHO=umoci
            """
        )
        let built = try await build(
            "FROM base\nCOPY main /\n",
            "../layout:v1",
            "-t",
            "u",
            "-o",
            "type=local,dest=../out"
        )
        try #require(built.status == 0, "\(built.errorText)")
        #expect(try content("from-umoci/file") == "inserted\n")
        // An index whose first image is for another platform.
        try await shell(
            """
            python3 - <<'END'
            import hashlib, json, platform
            machine = {'x86_64': 'amd64', 'aarch64': 'arm64'}[platform.machine()]
            index = json.load(open('layout/index.json'))
            own = next(m for m in index['manifests'] if m['annotations']['org.opencontainers.image.ref.name'] == 'v1')
            mine = dict(own, platform={'os': 'linux', 'architecture': machine})
            mine.pop('annotations')
            other = dict(mine, digest='sha256:' + 64 * '0', platform={'os': 'linux', 'architecture': 's390x'})
            text = json.dumps({'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.index.v1+json', 'manifests': [other, mine]}).encode()
            digest = hashlib.sha256(text).hexdigest()
            open('layout/blobs/sha256/' + digest, 'wb').write(text)
            index['manifests'].append({'mediaType': 'application/vnd.oci.image.index.v1+json', 'digest': 'sha256:' + digest,
                'size': len(text), 'annotations': {'org.opencontainers.image.ref.name': 'several'}})
            json.dump(index, open('layout/index.json', 'w'))
            END
            """
        )
        let chosen = try await build("FROM base\nCOPY main /x\n", "../layout:several")
        #expect(chosen.status == 0, "\(chosen.errorText)")
        let missing = try await build("FROM base\nCOPY main /x\n", "../layout:several", "--platform=linux/ppc64le")
        #expect(missing.status == 1 && missing.errorText.contains("no matching manifest for linux/ppc64le"))
    }

    /// What is done to a layout, where `$M` is its manifest, `$C` its configuration and `$L` a layer; and what is then said.
    private static let attacks: [(script: String, reason: String)] = [
        ("rm layout/index.json", "index.json: no such file or directory"),
        ("mv layout/index.json outside.json; ln -s ../outside.json layout/index.json", "index.json: it is a link"),
        ("mv layout/index.json layout/x; ln -s x layout/index.json", "index.json: it is a link"),
        ("rm layout/index.json; mkfifo layout/index.json", "index.json is not a regular file"),
        ("rm layout/index.json; mkdir layout/index.json", "index.json is not a regular file"),
        ("truncate -s 100M layout/index.json", "index.json is larger than"),
        ("truncate -s 1T layout/index.json", "index.json is larger than"),
        ("echo '{' > layout/index.json", "index.json: invalid"),
        ("sed -i 's/{/{\"schemaVersion\":2,/' layout/index.json", "duplicate"),
        ("python3 -c \"print('['*100000)\" > layout/index.json", "index.json: invalid"),
        ("mv layout/blobs outside; ln -s ../outside layout/blobs", "blobs: it is a link"),
        ("mv layout/blobs/sha256 layout/b; ln -s ../b layout/blobs/sha256", "blobs/sha256: it is a link"),
        (
            "cp layout/blobs/sha256/$M m; rm layout/blobs/sha256/$M; ln -s ../../../m layout/blobs/sha256/$M",
            "$M: it is a link"
        ),
        (
            "cp layout/blobs/sha256/$L l; rm layout/blobs/sha256/$L; ln -s ../../../l layout/blobs/sha256/$L",
            "$L: it is a link"
        ),
        ("rm layout/blobs/sha256/$L; ln -s /etc/passwd layout/blobs/sha256/$L", "$L: it is a link"),
        ("rm layout/blobs/sha256/$L; mkfifo layout/blobs/sha256/$L", "$L is not a regular file"),
        ("rm layout/blobs/sha256/$L; mkdir layout/blobs/sha256/$L", "$L is not a regular file"),
        ("rm layout/blobs/sha256/$L", "$L: no such file or directory"),
        ("echo >> layout/blobs/sha256/$M", "the content of blobs/sha256/$M has the digest"),
        ("truncate -s 100M layout/blobs/sha256/$M", "$M is larger than"),
        ("echo >> layout/blobs/sha256/$C", "$C has"),
        ("truncate -s -1 layout/blobs/sha256/$C", "$C has"),
        (
            "printf x | dd of=layout/blobs/sha256/$C conv=notrunc status=none",
            "the content of blobs/sha256/$C has the digest"
        ),
        (
            "printf x | dd of=layout/blobs/sha256/$L conv=notrunc status=none",
            "the content of blobs/sha256/$L has the digest"
        ),
        ("echo >> layout/blobs/sha256/$L", "$L has"),
        ("truncate -s 0 layout/blobs/sha256/$L", "$L has 0 bytes"),
        ("truncate -s 1T layout/blobs/sha256/$L", "$L has"),
        ("sed -i 's/sha256:[0-9a-f]*/sha256:..\\/..\\/..\\/etc\\/passwd/' layout/index.json", "index.json: invalid"),
        ("sed -i 's/sha256:/sha1:/' layout/index.json", "sha1"),
    ]

    @Test(.proves("--build-context")) func `a hostile layout is refused by name and nothing of it is used`()
        async throws
    {
        let manifest = String(try await makeLayout("--dest-compress").dropFirst("sha256:".count))
        try await slipway.succeed("system", "prune", "-a", "-f")
        let parts = try await shell(
            """
            cp -r layout whole
            jq -r '.config.digest, .layers[1].digest' layout/blobs/sha256/\(manifest) | cut -d: -f2
            """
        ).split(separator: "\n").map(String.init)
        for (script, reason) in Self.attacks {
            func filled(_ text: String) -> String {
                text.replacing("$M", with: manifest).replacing("$C", with: parts[0]).replacing("$L", with: parts[1])
            }
            try await shell("rm -rf layout outside outside.json; cp -r whole layout; \(filled(script))")
            let result = try await build("FROM base\nCOPY main /\n", "../layout:one", "-o", "type=local,dest=../out")
            #expect(result.status == 1, "\(script)")
            #expect(result.errorText.contains(filled(reason)), "\(script): \(result.errorText)")
            #expect(result.errorText.contains("base"), "\(script): \(result.errorText)")
        }
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/out"))
        #expect(try await slipway("system", "check").status == 0)
    }

    @Test(arguments: [
        ("../nowhere", "no such file or directory"), ("../context", "index.json: no such file or directory"),
        ("../layout@sha256:abc", "sha256:abc"),
        ("../layout@sha256:\(String(repeating: "0", count: 64))", "no such file"),
    ])
    func `anything but a layout is refused`(address: String, reason: String) async throws {
        try await shell("umoci init --layout layout")
        let result = try await build("FROM base\nCOPY main /\n", address)
        #expect(result.status == 1 && result.errorText.contains(reason), "\(result.errorText)")
    }

    @Test func `of several images a tag must be right, and the tags are listed`() async throws {
        try await shell("umoci init --layout l && umoci new --image l:a && umoci new --image l:b")
        let result = try await build("FROM base\nCOPY main /\n", "../l:c")
        #expect(
            result.status == 1 && result.errorText.contains("no image has the tag c; it has a, b"),
            "\(result.errorText)"
        )
    }
}
