import DockerfileSyntax
import Proofs
import Testing
import Text

@Suite struct `Mounts of RUN` {
    private func mount(_ text: String) throws -> ExpandedMount {
        struct NotOne: Error {}
        guard case .run(let run) = try instruction("RUN --mount=\(text) true").command, run.mounts.count == 1 else {
            throw NotOne()
        }
        return try run.mounts[0].mount { $0 }
    }

    @Test(.proves("bind", "C12: --mount=type=bind,from=,target=/x shows the context"))
    func `bind the build context read-only by default`() throws {
        let mount = try mount("target=/x")
        #expect(mount.kind == .bind)
        #expect(mount.isReadOnly)
        #expect(mount.from == nil)
        #expect(try self.mount("from=,target=/x") == mount)
        #expect(mount.target?.text == "/x")
    }

    @Test(arguments: [
        ("type=bind,dst=/x,src=/y,from=z,rw", false), ("type=BIND,destination=/x,readwrite=true", false),
        ("target=/x,ro=false", false), ("target=/x,readonly", true), ("type=cache,target=/x", false),
        ("type=cache,target=/x,ro", true), ("type=tmpfs,target=/x", false), ("target=/x,rw=0", true),
    ])
    func `are writable as asked or by kind`(text: String, isReadOnly: Bool) throws {
        #expect(try mount(text).isReadOnly == isReadOnly)
    }

    @Test(.proves("tmpfs")) func `of every kind take their keys`() throws {
        let cache = try mount("type=cache,id=i,target=/x,sharing=locked,mode=0700,uid=1,gid=2,from=a,source=/b")
        #expect(cache.id?.text == "i")
        #expect(cache.sharing == .locked)
        #expect(cache.mode == 0o700)
        #expect(cache.uid == 1)
        #expect(cache.gid == 2)
        let memory = try mount("type=tmpfs,target=/x,size=64m")
        #expect(memory.size == 64 << 20)
        let secret = try mount("type=secret,id=s,env=S,required")
        #expect(secret.environmentName?.text == "S")
        #expect(secret.isRequired)
        let agent = try mount("type=ssh,required=true,mode=600")
        #expect(agent.isRequired)
        #expect(agent.mode == 0o600)
    }

    @Test(.proves("Targets, variables, unknown keys and values"))
    func `expand values, and are checked only once they can be`() throws {
        guard case .run(let run) = try instruction("RUN --mount=type=$t,target=${d}/x true").command else { return }
        let mount = try run.mounts[0].mount { $0 == bytes("$t") ? bytes("cache") : bytes("/d/x") }
        #expect(mount.kind == .cache)
        #expect(mount.target?.text == "/d/x")
    }

    @Test(
        .proves("Targets, variables, unknown keys and values"),
        arguments: [
            ("type=cahce,target=/x", "unsupported mount type \"cahce\" (did you mean cache?)"),
            ("targt=/x", "unexpected key 'targt' in 'targt=/x' (did you mean target?)"),
            ("type=cache,target=/x,sharing=shard", "unsupported sharing value \"shard\" (did you mean shared?)"),
            ("foo", "invalid field 'foo' must be a key=value pair"),
            ("target=/x,ro=maybe", "invalid value for ro: maybe"),
            ("target=/x,size=1", "unexpected key 'size' for mount type 'bind'"),
            ("type=tmpfs,target=/x,size=lots", "invalid value for size: lots"),
            ("target=/x,required", "unexpected key 'required' for mount type 'bind'"),
            ("target=/x,mode=0700", "mode not allowed for \"bind\" type mounts"),
            ("type=tmpfs,target=/x,uid=1", "uid not allowed for \"tmpfs\" type mounts"),
            ("type=cache,target=/x,mode=9", "invalid value 9 for mode"),
            ("type=cache,target=/x,uid=-1", "invalid value -1 for uid"),
            ("type=secret", "invalid secret mount. one of source, target required"),
            ("type=secret,id=a,from=b", "secret mount should not have a from"),
            ("type=secret,id=a,source=b", "both source and id can't be set"),
            ("target=/x,sharing=shared", "invalid cache sharing set for bind mount"),
            ("from=$x,target=/x", "'from' doesn't support variable expansion, define alias stage instead"),
            ("target=\\\"/x", "failed to parse csv mounts: bare \" in non-quoted-field"),
        ]
    )
    func `say what is wrong`(text: String, expected: String) {
        #expect(instructionMessage("RUN --mount=\(text) true") == expected)
    }

    @Test func `take values with commas in quotes`() throws {
        #expect(try mount("'\"target=/a,b\",ro'").target?.text == "/a,b")
        #expect(try mount("'\"target=/a\"\"b\"'").target?.text == "/a\"b")
    }
}
