import Foundation
import Testing

/// Git repositories on a web server, made by commands of a shell.
struct GitFixture {
    let server: WebServer

    init() async throws { server = try await WebServer.start() }

    init(server: WebServer) { self.server = server }

    /// The address of a repository.
    func address(_ name: String) -> String { "\(server.address)/git/\(name)" }

    /// Runs commands where repositories live; everybody commits under the same name at the same time.
    @discardableResult
    func run(_ script: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> String {
        let result = try await runProgram(
            "sh",
            ["-e", "-c", "umask 077\n" + script],
            in: server.directory,
            environment: [
                "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
                "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_AUTHOR_DATE": "2021-03-04T05:06:07Z",
                "GIT_COMMITTER_DATE": "2021-03-04T05:06:07Z", "GIT_CONFIG_GLOBAL": "/dev/null",
                "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/dev/null", "GIT_ALLOW_PROTOCOL": "file:http",
            ]
        )
        try #require(result.status == 0, "\(result.errorText)", sourceLocation: sourceLocation)
        return result.text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// A repository with a branch `main`, a tag `v1` before its last commit, a program, a link and a directory.
    @discardableResult
    func makeRepository(_ name: String) async throws -> (first: String, last: String) {
        let ids = try await run(
            """
            git init -q -b main work-\(name) && cd work-\(name)
            mkdir dir && echo one > file && echo inner > dir/inner && echo '#!/bin/sh' > program && chmod 755 program
            printf 'FROM scratch\\nCOPY . /\\n' > Dockerfile && echo file > .dockerignore
            ln -s dir link && git add . && git commit -qm first && git tag -am 'the first' v1
            echo two > file && git commit -qam second
            cd .. && git clone -q --bare work-\(name) \(name)
            git -C \(name) rev-parse 'v1^{}' main
            """
        ).split(separator: "\n").map(String.init)
        try #require(ids.count == 2)
        return (ids[0], ids[1])
    }
}
