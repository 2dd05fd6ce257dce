internal import Dispatch
internal import DockerfileFrontend
internal import DockerfileSyntax
internal import LLB
internal import OCI
internal import Synchronization
internal import Text

extension FuzzTarget {
    static let dockerfile = FuzzTarget("dockerfile") { bytes in
        let dockerfile = try Dockerfile(parsing: bytes, name: "Dockerfile")
        _ = dockerfile.dump.utf8.count
        let again = try Dockerfile(parsing: bytes, name: "Dockerfile")
        try promise(again.dump == dockerfile.dump, "the same bytes make two trees")
    }

    static let ignoreFile = FuzzTarget("ignore-file", maximumSize: 1024) { bytes in
        // A path, then the file.
        let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
        let rules = try IgnoreFile(parsing: Array(parts.last ?? []))
        let path = parts.count > 1 ? Array(parts[0]) : Array("src/a.txt".utf8)
        try promise(rules.ignores(path) == rules.ignores(path), "two answers for one path")
        _ = rules.pattern(ignoring: path)
    }

    static let wordExpansion = FuzzTarget("word-expansion", maximumSize: 512) { bytes in
        let variables = Variables([
            (name: Array("a".utf8), value: Array("one two".utf8)), (name: Array("b".utf8), value: []),
            (name: Array("c".utf8), value: Array("a/b/*.txt".utf8)),
        ])
        for escape in [UInt8(ascii: "\\"), UInt8(ascii: "`")] {
            let result = try WordExpander(escape: escape).expand(bytes, with: variables)
            try promise(result.text.count <= bytes.count + (1 << 20), "an expansion over its limit")
        }
    }

    /// From text to a graph, whose bytes must be readable again.
    static let frontend = FuzzTarget("frontend", maximumSize: 2048) { bytes in
        let dockerfile = try Dockerfile(parsing: bytes, name: "Dockerfile")
        var options = BuildOptions()
        options.buildPlatform = Platform(os: "linux", architecture: "amd64")
        options.buildArguments = Variables([(name: Array("GIVEN".utf8), value: Array("value".utf8))])
        let plan = try waiting { [options] in
            try await translate(dockerfile, options: options, resolver: AnyImage())
        }
        let written = try plan.definition.marshalled()
        let again = try Definition.load(written)
        try promise(
            try again.marshalled() == written,
            "the graph is another when it is read:\n\(plan.definition.dump)\n\(again.dump)"
        )
    }
}

/// Every base image there could be.
private struct AnyImage: ImageMetadataResolver {
    func resolve(_ reference: ImageReference, platform: Platform) async throws -> ResolvedBase {
        var configuration = ImageConfiguration(platform: platform)
        var defaults = ContainerDefaults()
        defaults.environment = ["PATH=/bin"]
        configuration.config = defaults
        return ResolvedBase(digest: nil, configuration: configuration)
    }
}

/// Waits for asynchronous work, as libFuzzer's entry must.
private func waiting<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) throws -> Value {
    let done = DispatchSemaphore(value: 0)
    let outcome = Mutex<Result<Value, any Error>?>(nil)
    // Ends before this function does: the semaphore is waited for right below.
    Task {
        let result: Result<Value, any Error>
        do { result = .success(try await work()) } catch { result = .failure(error) }
        outcome.withLock { $0 = result }
        done.signal()
    }
    done.wait()
    guard let result = outcome.withLock({ $0 }) else { throw BrokenPromise(text: "no result") }
    return try result.get()
}
