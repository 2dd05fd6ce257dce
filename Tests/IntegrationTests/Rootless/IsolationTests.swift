import Foundation
import Testing

/// What a step cannot do, whatever Slipway itself may: the attempts of docs/hostile-inputs.md that a process makes.
@Suite(.requires(.root, .landlock, .program("crun"), .program("newuidmap"), .program("setpriv"), .program("gcc")))
struct `Steps at every level` {
    @Test(arguments: StepLevel.allCases)
    func `reach no file, secret, process or setting outside of their sandbox`(level: StepLevel) async throws {
        let slipway = try await LeveledSlipway(level)
        let secret = "secret-\(UUID().uuidString)"
        try await slipway.compile(EscapeAttempts.source, to: "escape")
        let places = ["/run/held", slipway.outside + "/secret", slipway.store, slipway.store + "/slipway.db"]
        try slipway.write(
            """
            FROM busybox AS holder
            RUN --mount=type=secret,id=s,target=/run/held --mount=type=secret,id=s,env=HELD \\
                test -s /run/held && test -n "$HELD" && echo "hol""ding" && sleep 1000
            FROM busybox AS other
            COPY escape /
            ARG PROCESSES
            RUN sleep 1; /escape \(secret) \(places.joined(separator: " ")) -- $PROCESSES 2>&1; echo "over"; false
            FROM busybox
            COPY --from=holder /etc/passwd /1
            COPY --from=other /etc/passwd /2
            """,
            to: "Dockerfile"
        )
        // The shell itself, the first process, and another one of the same user.
        let result = try await slipway.run(
            """
            echo \(secret) > \(slipway.outside)/secret; chmod 644 \(slipway.outside)/secret
            sleep 1000 & other=$!
            $build --secret id=s,src=\(slipway.outside)/secret --build-arg PROCESSES="1 $$ $other" context || echo failed
            kill -0 $other && kill $other
            """
        )
        #expect(result.text.hasSuffix("failed\n"), "\(result.text)")
        #expect(result.status == 0, "\(result.errorText)")
        let lines = result.errorText.split(separator: "\n")
        #expect(lines.filter { $0.contains(" ESCAPED ") } == [])
        #expect(lines.contains { $0.contains(" TRIED ") } && lines.contains { $0.hasSuffix(" over") })
        #expect(lines.contains { $0.hasSuffix(" holding") }, "\(result.errorText)")
    }

    /// B2, B3, B5, B6.
    @Test(arguments: StepLevel.allCases) func `have mounts that lead nowhere else`(level: StepLevel) async throws {
        let slipway = try await LeveledSlipway(level)
        let out = slipway.outside
        try slipway.write("context\n", to: "own")
        let ids = ["../../etc", "/etc", "..", ".", "a/b/../../..", String(repeating: "n", count: 10_000)]
        let caches = ids.enumerated().map {
            "RUN --mount=type=cache,id=\($1),target=/m test -z \"$(ls /m)\" && touch /m/\($0)"
        }
        try slipway.write(
            """
            FROM busybox
            \(caches.joined(separator: "\n"))
            RUN --mount=type=bind,source=.,target=/c,rw echo written > /c/new && rm /c/own
            RUN --mount=type=bind,source=.,target=/c,rw test ! -e /c/new && test -e /c/own
            RUN --mount=type=cache,id=s,target=/x/empty mv /x /z; ln -s \(out) /x; true
            RUN --mount=type=cache,id=s,target=/c mkdir /c/real && ln -s \(out) /c/sub && ln -s / /c/root
            RUN --mount=type=bind,from=busybox,source=../../..,target=/b test -e /b/bin/busybox && test ! -e /b\(out)/canary
            RUN --mount=type=secret,id=s,target=/k/s rm -f /k/s; mv /k /l; ln -s \(out) /k; true
            """,
            to: "Dockerfile"
        )
        let mounts = [
            "type=cache,id=s,target=/m,source=sub", "type=cache,id=s,target=/m,source=root\(out)",
            "type=bind,target=/m,source=../..\(out)", "type=bind,from=busybox,target=/m,source=../..\(out)",
        ]
        let refused = mounts.map { mount in
            """
            printf 'FROM busybox\\nRUN --mount=\(mount) cat /m/canary; ls /m; false\\n' > other/Dockerfile
            ! $build other || echo built
            """
        }
        let result = try await slipway.run(
            """
            echo canary > \(out)/canary; mkdir \(out)/empty; echo kept > \(out)/empty/kept
            cp -r context \(out)/before; mkdir other
            $build --secret id=s,src=\(out)/canary context
            \(refused.joined(separator: "\n"))
            cat \(out)/canary \(out)/empty/kept; diff -r context \(out)/before
            """
        )
        try #require(result.status == 0, "\(result.text) \(result.errorText)")
        #expect(result.text == "canary\nkept\n")
        // What the step of the first build says of its commands has the word in it as well.
        #expect(!result.errorText.split(separator: "\n").contains { $0.hasSuffix(" canary") }, "\(result.errorText)")
    }
}
