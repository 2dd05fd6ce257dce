import BuildGraph
import LLB
import OCI
import Proofs
import Testing

@testable import Operations

/// Each field of an operation is in its key, or on a list here with the reason why it is not.
///
/// A field that is added to an operation and to neither fails these tests.
@Suite struct `Cache keys of processes` {
    let base: LLB.Output
    let other: LLB.Output

    init() throws {
        base = try .image("base")
        other = try .image("other")
    }

    private var exec: Exec {
        Exec(
            process: Process(
                arguments: [bytes("a"), bytes("b")],
                environment: [bytes("A=1")],
                directory: bytes("/d"),
                user: bytes("u")
            ),
            mounts: [.root(base), Mount(.bind, of: other, selector: bytes("s"), at: bytes("/m"), isReadOnly: true)]
        )
    }

    private func key(_ change: (inout Exec) -> Void = { _ in }, platform: Platform? = nil) -> [KeyComponent] {
        var changed = exec
        change(&changed)
        return ExecKey(changed, inputs: [base, other], platform: platform).components
    }

    @Test(.proves("RUN (cache key)")) func `every field is in the key or left out for a reason`() {
        let keyed: [String: (inout Exec) -> Void] = [
            "process.arguments": { $0.process.arguments = [bytes("a b")] },
            "process.environment": { $0.process.environment.append(bytes("B=2")) },
            "process.directory": { $0.process.directory = bytes("/e") },
            "process.user": { $0.process.user = bytes("v") },
            "process.hostname": { $0.process.hostname = bytes("h") },
            "process.extraHosts": { $0.process.extraHosts = [HostAddress(host: bytes("h"), address: [])] },
            "process.limits": { $0.process.limits = [ResourceLimit(name: bytes("nofile"), soft: 1, hard: 2)] },
            "process.validExitCodes": { $0.process.validExitCodes = [0, 1] },
            "network": { $0.network = .none },
            "security": { $0.security = .insecure },
            "secretEnvironment": { $0.secretEnvironment = [SecretVariable(id: bytes("i"), name: bytes("N"))] },
            "devices": { $0.devices = [Device(name: bytes("gpu"))] },
            "mounts": { $0.mounts.removeLast() },
            "mount.kind": { $0.mounts[1].kind = .cache(id: [], sharing: .shared) },
            "mount.input": { $0.mounts[1].input = $0.mounts[0].input },
            "mount.selector": { $0.mounts[1].selector = bytes("t") },
            "mount.destination": { $0.mounts[1].destination = bytes("/n") },
            "mount.output": { $0.mounts[1].output = 1 },
            "mount.isReadOnly": { $0.mounts[1].isReadOnly = false },
        ]
        let leftOut: [String: (inout Exec) -> Void] = [
            // A build behind a proxy shares the cache of one that is not.
            "process.proxy": { $0.process.proxy = ProxyEnvironment() },
            // Where a step's processes are counted does not change what they make.
            "process.cgroupParent": { $0.process.cgroupParent = bytes("c") },
            // About the engine's own traces.
            "process.removesMountStubsRecursively": { $0.process.removesMountStubsRecursively = true },
            // How a result is found, not what it is.
            "mount.resultID": { $0.mounts[1].resultID = bytes("r") },
            "mount.contentCache": { $0.mounts[1].contentCache = .on },
        ]
        let plain = key()
        for (field, change) in keyed { #expect(key(change) != plain, "\(field) is not in the key") }
        for (field, change) in leftOut { #expect(key(change) == plain, "\(field) is in the key") }
        var fields: Set<String> = []
        for field in Mirror(reflecting: exec).children.compactMap(\.label) where field != "process" {
            fields.insert(field)
        }
        for field in Mirror(reflecting: exec.process).children.compactMap(\.label) { fields.insert("process.\(field)") }
        for field in Mirror(reflecting: exec.mounts[1]).children.compactMap(\.label) { fields.insert("mount.\(field)") }
        #expect(fields == Set(keyed.keys).union(leftOut.keys))
    }

    @Test(.proves("RUN (cache key)"))
    func `cache ids, shared memory and hosts' addresses do not count, a secret's definition does`() {
        func with(_ kind: Mount.Kind) -> [KeyComponent] { key { $0.mounts[1].kind = kind } }
        #expect(with(.cache(id: bytes("a"), sharing: .shared)) == with(.cache(id: bytes("b"), sharing: .locked)))
        #expect(with(.temporary(size: 0)) != with(.temporary(size: 4096)))
        func sharedMemory(_ size: Int64) -> [KeyComponent] {
            key { $0.mounts.append(Mount(.temporary(size: size), at: bytes("/dev/shm"))) }
        }
        #expect(sharedMemory(4096) == sharedMemory(8192) && sharedMemory(4096) == key())
        #expect(with(.secret(ClientFile(id: bytes("a")))) != with(.secret(ClientFile(id: bytes("b")))))
        #expect(with(.secret(ClientFile(id: bytes("a")))) != with(.ssh(ClientFile(id: bytes("a")))))
        func host(_ address: String) -> [KeyComponent] {
            key { $0.process.extraHosts = [HostAddress(host: bytes("h"), address: bytes(address))] }
        }
        #expect(host("10.0.0.1") == host("10.0.0.2"))
    }

    @Test func `two trees in each other's place are another step`() {
        let swapped = key { exec in
            exec.mounts.append(Mount(.bind, of: base, at: bytes("/n")))
            exec.mounts[1].input = other
        }
        let straight = key { exec in
            exec.mounts.append(Mount(.bind, of: other, at: bytes("/n")))
            exec.mounts[1].input = base
        }
        #expect(swapped != straight)
    }

    @Test(.proves("FROM")) func `the platform counts, and none is this machine's`() {
        #expect(key(platform: .current) == key())
        #expect(key(platform: Platform(os: "linux", architecture: "s390x")) != key())
    }
}

@Suite struct `Cache keys of file operations` {
    let base: LLB.Output
    let source: LLB.Output
    let other: LLB.Output

    init() throws {
        base = try .image("base")
        source = try .image("source")
        other = try .image("other")
    }

    private func key(_ actions: [FileAction]) -> [KeyComponent] {
        FileKey(actions, inputs: [base, source, other]).components
    }

    private func key(_ change: FileChange) -> [KeyComponent] {
        key([FileAction(on: .output(base), change, output: 0)])
    }

    private func fields(of value: Any) -> Set<String> { Set(Mirror(reflecting: value).children.compactMap(\.label)) }

    @Test(.proves("COPY and ADD of local files"))
    func `every field of a copy is in the key, and of the source's path its name`() {
        let changes: [String: (inout FileCopy) -> Void] = [
            "source": { $0.source = bytes("/d/b") },
            "destination": { $0.destination = bytes("/y/") },
            "owner": { $0.owner = Owner(user: .id(0)) },
            "mode": { $0.mode = .bits(0o644) },
            "followsLinks": { $0.followsLinks.toggle() },
            "copiesDirectoryContents": { $0.copiesDirectoryContents.toggle() },
            "unpacksArchives": { $0.unpacksArchives.toggle() },
            "createsDestination": { $0.createsDestination.toggle() },
            "allowsWildcards": { $0.allowsWildcards.toggle() },
            "allowsNoMatch": { $0.allowsNoMatch.toggle() },
            "timestamp": { $0.timestamp = 0 },
            "includePatterns": { $0.includePatterns = [bytes("i")] },
            "excludePatterns": { $0.excludePatterns = [bytes("i")] },
            "replacesDestination": { $0.replacesDestination.toggle() },
            "requiredPaths": { $0.requiredPaths = [bytes("i")] },
        ]
        let copy = FileCopy.instruction(source: bytes("/d/a"), destination: bytes("/x/"))
        let plain = key(.copy(copy, from: .output(source)))
        var seen: Set<[KeyComponent]> = [plain]
        for (field, change) in changes {
            var changed = copy
            change(&changed)
            #expect(seen.insert(key(.copy(changed, from: .output(source)))).inserted, "\(field) is not in the key")
        }
        #expect(fields(of: copy) == Set(changes.keys))
        // The digest of the files stands for the directory they come from.
        var elsewhere = copy
        elsewhere.source = bytes("/e/a")
        #expect(key(.copy(elsewhere, from: .output(source))) == plain)
    }

    @Test(.proves("WORKDIR (cache key)")) func `every field of what is made or removed is in the key`() {
        let owner = Owner(user: .id(1))
        var all: [(name: String, field: String, change: FileChange)] = []
        let file = FileCreation(path: bytes("/f"), content: bytes("1"))
        let files: [(String, (inout FileCreation) -> Void)] = [
            ("path", { $0.path = bytes("/g") }), ("mode", { $0.mode = 0o600 }),
            ("content", { $0.content = bytes("2") }),
            ("owner", { $0.owner = owner }), ("timestamp", { $0.timestamp = 1 }),
        ]
        for (field, change) in files {
            var changed = file
            change(&changed)
            all.append(("file", field, .makeFile(changed)))
        }
        let directory = DirectoryCreation(path: bytes("/f"))
        let directories: [(String, (inout DirectoryCreation) -> Void)] = [
            ("path", { $0.path = bytes("/g") }), ("mode", { $0.mode = 0o700 }),
            ("makesParents", { $0.makesParents.toggle() }),
            ("owner", { $0.owner = owner }), ("timestamp", { $0.timestamp = 1 }),
        ]
        for (field, change) in directories {
            var changed = directory
            change(&changed)
            all.append(("directory", field, .makeDirectory(changed)))
        }
        let link = SymbolicLinkCreation(path: bytes("/f"), target: bytes("t"))
        let links: [(String, (inout SymbolicLinkCreation) -> Void)] = [
            ("path", { $0.path = bytes("/g") }), ("target", { $0.target = bytes("u") }),
            ("owner", { $0.owner = owner }),
            ("timestamp", { $0.timestamp = 1 }),
        ]
        for (field, change) in links {
            var changed = link
            change(&changed)
            all.append(("link", field, .symbolicLink(changed)))
        }
        let removal = FileRemoval(path: bytes("/f"))
        let removals: [(String, (inout FileRemoval) -> Void)] = [
            ("path", { $0.path = bytes("/g") }), ("allowsNotFound", { $0.allowsNotFound.toggle() }),
            ("allowsWildcards", { $0.allowsWildcards.toggle() }),
        ]
        for (field, change) in removals {
            var changed = removal
            change(&changed)
            all.append(("removal", field, .remove(changed)))
        }
        var seen: Set<[KeyComponent]> = [
            key(.makeFile(file)), key(.makeDirectory(directory)), key(.symbolicLink(link)), key(.remove(removal)),
        ]
        for (name, field, change) in all {
            #expect(seen.insert(key(change)).inserted, "\(field) of a \(name) is not in the key")
        }
        let kinds: [(String, Any)] = [("file", file), ("directory", directory), ("link", link), ("removal", removal)]
        for (name, value) in kinds { #expect(fields(of: value) == Set(all.filter { $0.name == name }.map(\.field))) }
    }

    @Test func `an owner by name is not the same as one by number or of another tree`() {
        func owned(_ owner: Owner) -> [KeyComponent] {
            key(.makeDirectory(DirectoryCreation(path: bytes("/f"), owner: owner)))
        }
        let owners = [
            Owner(user: .id(1)), Owner(user: nil, group: .id(1)), Owner(user: .named(bytes("1"), in: .output(base))),
            Owner(user: .named(bytes("1"), in: .output(other))), Owner(user: nil),
        ]
        #expect(Set(owners.map(owned)).count == owners.count)
    }

    @Test func `which tree an action changes and reads counts`() {
        let copy = FileCopy.instruction(source: bytes("/a"), destination: bytes("/x/"))
        func pair(_ first: LLB.Output, _ second: LLB.Output, on second_: FileInput = .action(0)) -> [KeyComponent] {
            key([
                FileAction(on: .output(base), .copy(copy, from: .output(first)), output: nil),
                FileAction(on: second_, .copy(copy, from: .output(second)), output: 0),
            ])
        }
        let keys = [
            pair(source, other), pair(source, source), pair(other, source), pair(source, other, on: .output(base)),
        ]
        #expect(Set(keys).count == keys.count)
    }
}
