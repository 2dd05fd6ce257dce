import Foundation
import Proofs
import Testing

/// Builds of a context that something else writes to.
@Suite(.requires(.root, .program("crun")))
struct `A context that others write to` {
    private let scratch: TemporaryDirectory
    private let slipway: Slipway
    private let store: TemporaryDirectory

    init() throws {
        scratch = try TemporaryDirectory()
        (slipway, store) = try Slipway.isolated()
        try scratch.write("first\n", to: "context/log")
        try scratch.write("0", to: "context/rewritten")
        try scratch.write("0", to: "context/replaced")
        try scratch.write("a\n", to: "src/a")
    }

    private var context: URL { scratch.url.appending(path: "context") }

    /// Appends, cuts and rewrites, renames over, makes and removes files, without a pause.
    private func writer() throws -> RunningProcess {
        let script = """
            cd \(context.path); i=0
            while :; do
                i=$((i+1)); echo "line $i" >> log
                echo $i$i$i$i > rewritten
                echo $i > .new; mv .new replaced
                echo x > tmp$((i%7)); rm -f tmp$(((i+3)%7)); mkdir dir$((i%3)) && rmdir dir$(((i+1)%3))
                if [ $((i%20)) = 0 ]; then tar -cf .archive -C \(scratch.path)/src . && mv .archive archive.tar; fi
            done 2>/dev/null
            """
        return try RunningProcess("sh", ["-c", script], output: scratch.path + "/writer.log")
    }

    private func build(_ dockerfile: String, with slipway: Slipway? = nil) async throws -> ProgramResult {
        try scratch.write(dockerfile, to: "Dockerfile")
        let options = ["-f", "../Dockerfile", "--build-context", "n=.", "-o", "type=local,dest=../out"]
        return try await (slipway ?? self.slipway).run(["build", "--progress=plain"] + options + ["."], in: context)
    }

    private func content(_ name: String) throws -> String {
        try String(contentsOf: scratch.url.appending(path: "out/\(name)"), encoding: .utf8)
    }

    @Test(.proves("C17: a file of the context grows"))
    func `is built each time, and afterwards what is there is built and then cached`() async throws {
        let archived = try await runProgram("tar", ["-cf", "context/archive.tar", "-C", "src", "."], in: scratch.url)
        try #require(archived.status == 0)
        let dockerfile = """
            FROM scratch AS all
            COPY . /all/
            FROM scratch
            COPY --from=all /all/log /taken
            COPY rewrit* replaced /some/
            ADD archive.tar /unpacked/
            COPY --from=n log /named
            """
        let process = try writer()
        for _ in 0..<4 {
            let built = try await build(dockerfile)
            try #require(built.status == 0, "\(built.errorText)")
            #expect(try content("taken").hasPrefix("first\n"))
            #expect(try content("unpacked/a") == "a\n")
        }
        process.end()
        let log = try String(contentsOf: context.appending(path: "log"), encoding: .utf8)
        let after = try await build(dockerfile)
        try #require(after.status == 0, "\(after.errorText)")
        #expect(try content("taken") == log)
        let again = try await build(dockerfile)
        #expect(again.errorText.components(separatedBy: "CACHED").count == 6, "\(again.errorText)")
        #expect(try content("taken") == log && content("named") == log)
    }

    @Test func `is what a step sees that mounts it, and its result is kept under the key of that`() async throws {
        let dockerfile = """
            FROM busybox AS b
            RUN --mount=type=bind,target=/c cat /c/log > /log
            RUN --mount=type=bind,source=d,target=/c cat /c/f > /f
            FROM scratch
            COPY --from=b /log /f /
            """
        try scratch.write("f\n", to: "context/d/f")
        let shared = try await Slipway.shared()
        let process = try writer()
        for _ in 0..<2 {
            let built = try await build(dockerfile, with: shared)
            try #require(built.status == 0, "\(built.errorText)")
            #expect(try content("log").hasPrefix("first\n") && content("f") == "f\n")
        }
        process.end()
        let log = try String(contentsOf: context.appending(path: "log"), encoding: .utf8)
        for _ in 0..<2 {
            try #require(try await build(dockerfile, with: shared).status == 0)
            #expect(try content("log") == log)
        }
        let cached = try await build(dockerfile, with: shared)
        #expect(cached.errorText.components(separatedBy: "CACHED").count >= 4, "\(cached.errorText)")
    }
}
