import BuildEngine
import ClientServices
import LinuxSystem
internal import Manual
import SystemPackage
internal import Terminal
internal import Text

/// What the client offers to RUN steps: `--secret` and `--ssh`.
extension BuildCommand {
    static let clientFlags: [Flag<BuildCommand>] = [
        .list(
            "secret",
            \.secrets,
            placeholder: "stringArray",
            help: "Secret to expose to the build (format: \"id=mysecret[,src=/local/secret]\")"
        ),
        .list(
            "ssh",
            \.agents,
            placeholder: "stringArray",
            help:
                "SSH agent socket or keys to expose to the build (format: \"default|<id>[=<socket>|<key>[,<key>]]\")"
        ),
    ]

    /// The secrets that the options name; a file that is missing is an error before anything is built.
    func offeredSecrets(_ environment: SlipwayEnvironment) async throws -> [[UInt8]: SecretSource] {
        var sources: [[UInt8]: SecretSource] = [:]
        for text in secrets {
            let option = try SecretOption(parsing: text)
            sources[option.id] = try await option.source(environment)
        }
        return sources
    }

    /// The agents that the options name.
    func offeredAgents(_ environment: SlipwayEnvironment) async throws -> [(id: [UInt8], source: AgentSource)] {
        var sources: [(id: [UInt8], source: AgentSource)] = []
        // As buildx does: whoever names a repository by ssh means it to be reached.
        let isOverSSH = arguments.first.map(BuildRequest.isOverSSH) ?? false
        for text in agents.isEmpty && isOverSSH ? ["default"] : agents {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts.first.map { Array($0) } ?? []
            let id = name.isEmpty ? "default" : name
            guard !sources.contains(where: { $0.id == id }) else {
                throw failedBuild("invalid duplicate ID \(escapedForDisplay(id))")
            }
            let paths = parts.dropFirst().flatMap { $0.split(separator: ",") }.map {
                environment.path(Array($0))
            }
            sources.append((id, try await Self.agent(paths, environment)))
        }
        return sources
    }

    private static func agent(_ paths: [FilePath], _ environment: SlipwayEnvironment) async throws -> AgentSource {
        var paths = paths
        if paths.isEmpty {
            guard let socket = environment.variable(.agentSocket) else {
                throw failedBuild("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set")
            }
            paths = [environment.path(socket)]
        }
        let types = try await onBlockingPool { [paths] in try paths.map { try status(of: $0).type } }
        guard let socket = types.firstIndex(of: .socket) else { return .keys(paths) }
        guard types.allSatisfy({ $0 == .socket }) else { throw failedBuild("invalid combination of keys and sockets") }
        guard types.count == 1 else { throw failedBuild("only single socket allowed") }
        return .socket(paths[socket])
    }
}

/// One `--secret`.
struct SecretOption: Sendable {
    var id: [UInt8] = []
    private var file: [UInt8]?
    private var variable: [UInt8]?

    /// Parses `[type=file|env,]id=…[,src=…|,env=…]`.
    init(parsing bytes: [UInt8]) throws {
        var type: String?
        let fields: [[UInt8]]
        do throws(FlagValueError) {
            fields = try FlagValues.commaSeparated(bytes)
        } catch {
            throw failedBuild("failed to parse csv secret: \(error.reason)")
        }
        for field in fields {
            guard let separator = field.firstIndex(of: "=") else {
                throw failedBuild("invalid field '\(escapedForDisplay(field))' must be a key=value pair")
            }
            let key = escapedForDisplay(field[..<separator]).lowercased()
            let value = Array(field[(separator + 1)...])
            switch key {
            case "type":
                let text = escapedForDisplay(value)
                guard text == "file" || text == "env" else { throw failedBuild("unsupported secret type \"\(text)\"") }
                type = text
            case "id": id = value
            case "source", "src": file = value
            case "env": variable = value
            default: throw failedBuild("unexpected key '\(key)' in '\(escapedForDisplay(field))'")
            }
        }
        if type == "env", variable == nil { (variable, file) = (file, nil) }
        if id.isEmpty { throw failedBuild("secret missing ID") }
    }

    /// A variable that has the id as its name counts before a file that has.
    fileprivate func source(_ environment: SlipwayEnvironment) async throws -> SecretSource {
        if let variable { return .value(Secret(environment.variables[variable] ?? [])) }
        if file == nil, let value = environment.variables[id] { return .value(Secret(value)) }
        let path = environment.path(file ?? id)
        let found = try await onBlockingPool { try status(of: path) }
        if found.size > SecretSource.sizeLimit { throw failedBuild("\(ClientServiceError.secretTooLarge(id))") }
        return .file(path)
    }
}

@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func status(of path: FilePath) throws -> FileStatus {
    do throws(SystemCallError) {
        return try OpenFile.open(path, .pathOnly).status()
    } catch {
        let reason = SystemCallError.text(of: error.errno)
        throw failedBuild("failed to stat \(escapedForDisplay(path.bytes)): \(reason)")
    }
}

/// The request is wrong: nothing was built.
func failedBuild(_ reason: String) -> CommandFailure { CommandFailure("ERROR: failed to build: \(reason)") }
