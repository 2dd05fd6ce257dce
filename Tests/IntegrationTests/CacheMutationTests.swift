import BuildCache
import BuildEngine
import BuildGraph
import ClientServices
import CommandLine
import DockerfileFrontend
import Foundation
import HTTP
import Images
import LLB
import LinuxSystem
import OCI
import Proofs
import Sandboxes
import Snapshots
import Storage
import SystemPackage
import Testing
import Text

/// One change of a build: which steps it makes run again, and what the explanation names as the cause.
private struct Mutation: Sendable, CustomTestStringConvertible {
    let name: String
    /// The first step of the chain that runs again; nil for none.
    let first: Character?
    /// What the explanation of that step names.
    let cause: String
    /// Other steps that run again, apart from the chain.
    let others: Set<Character>
    let before: @Sendable (inout BuildRequest) -> Void
    let after: @Sendable (inout BuildRequest) -> Void
    let edit: @Sendable (String) -> String
    let script: String

    var testDescription: String { name }

    /// A change of the files of the context, by a shell in its directory.
    static func files(_ script: String, _ first: Character?, _ cause: String = "") -> Mutation {
        Mutation(
            name: script,
            first: first,
            cause: cause,
            others: [],
            before: { _ in },
            after: { _ in },
            edit: { $0 },
            script: script
        )
    }

    /// A change of the Dockerfile: one text for another.
    static func text(
        _ old: String,
        _ new: String,
        _ first: Character?,
        _ cause: String = "",
        others: Set<Character> = []
    ) -> Mutation {
        Mutation(
            name: "\(old) → \(new)",
            first: first,
            cause: cause,
            others: others,
            before: { _ in },
            after: { _ in },
            edit: { $0.replacingOccurrences(of: old, with: new) },
            script: ""
        )
    }

    /// A change of the request.
    static func option(
        _ name: String,
        _ first: Character?,
        _ cause: String = "",
        others: Set<Character> = [],
        before: @escaping @Sendable (inout BuildRequest) -> Void = { _ in },
        _ after: @escaping @Sendable (inout BuildRequest) -> Void
    ) -> Mutation {
        Mutation(
            name: name,
            first: first,
            cause: cause,
            others: others,
            before: before,
            after: after,
            edit: { $0 },
            script: ""
        )
    }
}

/// The base of all mutations; the salt keeps those that run before from being in the cache.
///
/// The steps, by letter: T of the other stage; W, C, D, F, B, M of the chain.
private let dockerfile = """
    FROM busybox AS tools
    COPY salt /salt
    RUN mkdir /t && echo tool > /t/tool
    FROM busybox
    ARG VERSION=1
    COPY salt /salt
    WORKDIR /app
    COPY src/ src/
    COPY <<HERE /doc
    text
    HERE
    COPY --from=tools /t /t
    ENV MODE=fast
    RUN --mount=type=bind,source=bound,target=/b true
    RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/x --mount=type=secret,id=s true
    CMD ["sh"]
    """

private let context = """
    umask 022; mkdir -p src/d bound; cat /proc/sys/kernel/random/uuid > salt; echo a > src/a; echo b > src/d/b; ln -s a src/link; echo m > bound/m; echo o > other
    """

private let chain: [Character] = ["W", "C", "D", "F", "B", "M"]

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

private let mutations: [Mutation] =
    [
        // What COPY reads of the context.
        .files("echo A > src/a", "C", "src/a: content"),
        .files("echo more >> src/d/b", "C", "src/d/b: content"),
        .files("chmod 600 src/a", "C", "src/a: mode"),
        .files("chmod 700 src/d", "C", "src/d: mode"),
        .files("chmod u+s src/a", "C", "src/a: mode"),
        .files("ln -sfn d src/link", "C", "src/link: content"),
        .files("rm src/link; echo a > src/link", "C", "src/link: type"),
        .files("rm src/a; mkdir src/a", "C", "src/a: type"),
        .files("mv src/a src/z", "C", "src/a: removed"),
        .files("echo n > src/new", "C", "src/new: added"),
        .files("mkdir src/empty", "C", "src/empty: added"),
        .files("rm src/d/b", "C", "src/d/b: removed"),
        .files("setcap cap_net_raw+ep src/a", "C", "src/a: xattrs"),
        .files("printf 'src/a\\n' > .dockerignore", "C", "src/a: removed"),
        .files("printf '*\\n!src\\n!bound\\n!salt\\nsrc/d\\n' > .dockerignore", "C", "src/d: removed"),
        // What it does not.
        .files("touch -d 2001-01-01 src/a src/d src/link", nil),
        .files("cat src/a > copy; rm src/a; mv copy src/a", nil),
        .files("ln src/a hard", nil),
        .files("chown 5:6 src/a", nil),
        .files("echo other > other; mkdir more", nil),
        .files("printf 'other\\n# comment\\n' > .dockerignore", nil),
        // What a bind mount reads.
        .files("echo M > bound/m", "B", "bound/m: content"),
        .files("chmod 755 bound/m", "B", "bound/m: mode"),
        .files("echo n > bound/n", "B", "bound/n: added"),
        .files("touch -d 2001-01-01 bound/m bound", nil),
        // The other stage: its result counts, not how it came about.
        .text("echo tool >", "echo tool  >", nil, others: ["T"]),
        .text("echo tool >", "echo kit >", "F", "t/tool: content", others: ["T"]),
        .text("/t/tool", "/t/kit", "F", "t/tool: removed", others: ["T"]),
        .text("AS tools", "AS tools\nENV UNSEEN=1", nil, others: ["T"]),
        .text("tools", "kit", nil),
        // Instructions.
        .text("FROM busybox\nARG", "FROM busybox:other\nARG", "W", "input"),
        .text("WORKDIR /app", "WORKDIR /srv", "W", "make directory"),
        .text("WORKDIR /app", "USER 5\nWORKDIR /app\nUSER 0", "W", "user"),
        .text("COPY src/ src/", "COPY src/ source/", "C", "destination"),
        .text("COPY src/", "COPY --chown=5 src/", "C", "chown"),
        .text("COPY src/", "COPY --chmod=700 src/", "C", "chmod"),
        .text("COPY src/", "COPY --exclude=none src/", "C", "exclude"),
        .text("COPY <<HERE /doc\ntext", "COPY <<HERE /doc\nother", "D", "content"),
        .text("COPY <<HERE", "COPY --chmod=600 <<HERE", "D", "chmod"),
        .text("/t /t", "/t /u", "F", "destination"),
        .text("--from=tools /t", "--from=tools /t/tool", "F", "source name"),
        .text("true\nCMD", "false || true\nCMD", "M", "command"),
        .text(
            "RUN --mount=type=bind,source=bound,target=/b true",
            "RUN --mount=type=bind,source=bound,target=/b [\"true\"]",
            "B",
            "command"
        ),
        .text("ENV MODE", "SHELL [\"/bin/sh\", \"-ec\"]\nENV MODE", "B", "command"),
        .text("ENV MODE=fast", "ENV MODE=slow", "B", "environment MODE"),
        .text("ENV MODE=fast", "ENV MODE=fast MORE=1", "B", "environment MORE"),
        .text("ENV MODE=fast\n", "", "B", "environment MODE"),
        .text("ARG VERSION=1", "ARG VERSION=2", "B", "environment VERSION"),
        .text("ARG VERSION=1\n", "", "B", "environment VERSION"),
        .text("ENV MODE", "USER 5\nENV MODE", "B", "user"),
        .text("ENV MODE", "WORKDIR /\nENV MODE", "B", "directory"),
        .text("target=/b", "target=/bb", "B", "mount /b"),
        .text("target=/b true", "target=/b,rw true", "B", "mount /b"),
        .text("source=bound", "source=src", "B", "mount /b source"),
        .text("RUN --mount=type=bind", "RUN --network=none --mount=type=bind", "B", "network"),
        .text("target=/c", "target=/cc", "M", "mount /c"),
        .text("target=/c", "target=/c,ro", "M", "mount /c"),
        .text("target=/x", "target=/y", "M", "mount /x"),
        .text("target=/x", "target=/x,size=1m", "M", "mount /x"),
        .text("id=s", "id=t,target=/run/secrets/s", "M", "mount /run/secrets/s"),
        .text("id=s", "id=s,mode=0444", "M", "mount /run/secrets/s"),
        .text("id=s", "id=s,env=S", "M", "secret variable"),
        .text("target=/c", "target=/c,id=own", nil),
        .text("target=/c", "target=/c,sharing=locked", nil),
        // What makes no files.
        .text("CMD [\"sh\"]", "CMD [\"ls\"]", nil),
        .text("CMD", "LABEL a=b\nEXPOSE 80\nVOLUME /v\nSTOPSIGNAL 9\nHEALTHCHECK NONE\nENTRYPOINT [\"x\"]\nCMD", nil),
        .text("RUN --mount", "# comment\nRUN  --mount", nil),
        .text("COPY src/ src/", "copy src/ src/", nil),
        // The request.
        .option("--build-arg", "B", "environment VERSION") { $0.buildArguments = [(bytes("VERSION"), bytes("3"))] },
        .option("--build-arg that nothing declares", nil) { $0.buildArguments = [(bytes("NONE"), bytes("3"))] },
        .option("a proxy", nil) { $0.buildArguments = [(bytes("http_proxy"), bytes("http://p"))] },
        .option("the sandbox's name", "B", "hostname", others: ["T"]) {
            $0.buildArguments = [(bytes("BUILDKIT_SANDBOX_HOSTNAME"), bytes("h"))]
        },
        .option("the name space of caches", nil) {
            $0.buildArguments = [(bytes("BUILDKIT_CACHE_MOUNT_NS"), bytes("n"))]
        },
        .option("--label", nil) { $0.labels = [(bytes("a"), bytes("b"))] },
        .option("--network", "B", "network", others: ["T"]) { $0.network = .none },
        .option("--add-host", "B", "extra host", others: ["T"]) { $0.extraHosts = [(bytes("h"), bytes("1.2.3.4"))] },
        .option("another address", nil, before: { $0.extraHosts = [(bytes("h"), bytes("1.2.3.4"))] }) {
            $0.extraHosts = [(bytes("h"), bytes("1.2.3.5"))]
        },
        .option("--ulimit", "B", "limit nofile", others: ["T"]) {
            $0.limits = [ResourceLimit(name: "nofile", soft: 100, hard: 200)]
        },
        .option("--shm-size", nil) { $0.sharedMemorySize = 1 << 20 },
        .option("--memory", nil) { $0.resources.memory = 1 << 30 },
        .option("--allow", nil) { $0.entitlements = [.insecure, .hostNetwork] },
        .option("--secret", nil) { $0.secrets = [bytes("s"): .value(Secret(bytes("v")))] },
        .option("another value", nil, before: { $0.secrets = [bytes("s"): .value(Secret(bytes("v")))] }) {
            $0.secrets = [bytes("s"): .value(Secret(bytes("w")))]
        },
        .option("--pull", nil) { $0.pullsBaseImages = true },
    ]

/// One after the other, because the history has room for fifty builds.
@Suite(.requires(.root, .program("crun"), .program("setcap")), .serialized)
struct `One change of a build` {
    @Test func `is tried in at least sixty ways`() { #expect(mutations.count >= 60) }

    @Test(.proves("RUN (cache key)"), arguments: mutations)
    fileprivate func `runs the steps again that it concerns, and is named`(mutation: Mutation) async throws {
        let builds = try await MutationBuilds.shared()
        let scratch = try TemporaryDirectory()
        let made = try await runProgram("sh", ["-ec", context], in: scratch.url)
        try #require(made.status == 0, "\(made.errorText)")
        try scratch.write(dockerfile, to: "Dockerfile")
        var request = BuildRequest(context: FilePath(scratch.path))
        mutation.before(&request)
        // Every record is this context's own then: what the next build is compared with.
        request.ignoresCache = true
        _ = try await builds.steps(request)
        request.ignoresCache = false
        let same = try await builds.steps(request)
        #expect(ran(same).isEmpty, "nothing changed")

        let changed = mutation.edit(dockerfile)
        try scratch.write(changed, to: "Dockerfile")
        let scripted = try await runProgram("sh", ["-ec", mutation.script], in: scratch.url)
        try #require(scripted.status == 0, "\(scripted.errorText)")
        mutation.after(&request)
        let steps = try await builds.steps(request)
        let concerned = mutation.first.flatMap { chain.firstIndex(of: $0) }.map { Set(chain[$0...]) } ?? []
        #expect(ran(steps) == concerned.union(mutation.others), "\(describe(steps))")
        guard let first = mutation.first, let step = steps.first(where: { letter(of: $0) == first }) else { return }
        #expect(causes(of: step).contains { $0.contains(mutation.cause) }, "\(causes(of: step))")
    }

    private func ran(_ steps: [StepExplanation]) -> Set<Character> {
        Set(steps.filter { if case .ran = $0.outcome { true } else { false } }.compactMap(letter))
    }

    private func letter(of step: StepExplanation) -> Character? {
        guard let text = step.origin.map({ String(decoding: $0.text, as: UTF8.self) }) else { return nil }
        if text.hasPrefix("WORKDIR /app") || text.hasPrefix("WORKDIR /srv") { return "W" }
        if text.contains("--from=") { return "F" }
        if text.contains("<<HERE") { return "D" }
        if text.contains("salt") { return nil }
        if text.lowercased().hasPrefix("copy") { return "C" }
        if text.contains("type=bind") { return "B" }
        if text.contains("type=cache") { return "M" }
        return text.contains(" /t &&") ? "T" : nil
    }

    /// What an explanation names: components, files with what changed of them, or an input.
    private func causes(of step: StepExplanation) -> [String] {
        guard case .ran(.changed(let changes)) = step.outcome else { return ["\(step.outcome)"] }
        return changes.flatMap { change -> [String] in
            switch change {
            case .component(let name, _, _): [name]
            case .input, .inputCount: ["input"]
            case .content(_, let files):
                files.map { "\(String(decoding: $0.path, as: UTF8.self)): \(words(for: $0.kind))" }
            }
        }
    }

    private func words(for kind: ChangedFile.Kind) -> String {
        switch kind {
        case .added: "added"
        case .removed: "removed"
        case .changed(let attributes):
            attributes.map {
                switch $0 {
                case .content: "content"
                case .type: "type"
                case .mode: "mode"
                case .owner: "owner"
                case .group: "group"
                case .extendedAttributes: "xattrs"
                }
            }.joined(separator: " ")
        }
    }

    private func describe(_ steps: [StepExplanation]) -> String {
        steps.map { "\($0.name): \(causes(of: $0))" }.joined(separator: "\n")
    }
}

/// One store with two small base images, which all mutations share.
private final class MutationBuilds: Sendable {
    private static let making = Task { try await make() }

    static func shared() async throws -> MutationBuilds { try await making.value }

    private let engine: BuildEngine
    private let store: Store
    private let directory: TemporaryDirectory

    private init(engine: BuildEngine, store: Store, directory: TemporaryDirectory) {
        self.engine = engine
        self.store = store
        self.directory = directory
    }

    func steps(_ request: BuildRequest) async throws -> [StepExplanation] {
        let progress = ProgressChannel()
        async let drained: Void = { for await _ in progress { continue } }()
        let result: Result<BuildResult, any Error>
        do { result = .success(try await engine.build(request, progress: progress)) } catch { result = .failure(error) }
        progress.finish()
        await drained
        let id = try result.get().buildID
        let record = try #require(try await BuildHistory(store: store).find(id))
        return record.steps
    }

    private static func make() async throws -> MutationBuilds {
        let directory = try TemporaryDirectory()
        let store = try await Store.open(at: FilePath(directory.url.appending(path: "store").path), tables: .all)
        let snapshots = SnapshotStore(store: store)
        let images = ImageStore(store: store)
        let script =
            "mkdir -p t/bin t/etc; cp /bin/busybox t/bin/; for n in sh true mkdir echo; do ln -s busybox t/bin/$n; done"
        for name in ["busybox", "busybox:other"] {
            let tree = directory.url.appending(path: UUID().uuidString)
            try FileManager.default.createDirectory(at: tree, withIntermediateDirectories: true)
            let made = try await runProgram(
                "sh",
                ["-ec", "\(script); echo \(name) > t/name; tar -C t -cf t.tar ."],
                in: tree
            )
            try #require(made.status == 0, "\(made.errorText)")
            _ = try await ImageArchiver(images: images, layers: snapshots).importFileSystem(
                try await onBlockingPool { try OpenFile.open(FilePath(tree.appending(path: "t.tar").path), .readOnly) },
                name: try ImageReference(parsing: name),
                created: FileTime(seconds: 1_700_000_000)
            )
        }
        let engine = try await BuildEngine.withoutRegistry(snapshots, images)
        return MutationBuilds(engine: engine, store: store, directory: directory)
    }
}
