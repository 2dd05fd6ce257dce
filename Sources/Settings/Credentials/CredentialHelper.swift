internal import FoundationEssentials
internal import LinuxSystem
package import Text

/// A program that keeps credentials, `docker-credential-NAME`: one word as its argument, its input and output JSON or a server's name.
package protocol CredentialHelper: Sendable {
    /// Runs the program.
    /// - Parameters:
    ///   - name: what follows `docker-credential-`.
    ///   - action: `get`, `store` or `erase`.
    ///   - input: what it reads.
    /// - Returns: whether it succeeded, and what it wrote to its standard output.
    /// - Throws: an error if it cannot be started or does not end in time; a failure that it reports itself is a value.
    func run(_ name: String, action: String, input: Secret) async throws -> (succeeded: Bool, output: Secret)
}

/// The programs of this machine.
package struct InstalledCredentialHelpers: CredentialHelper {
    /// How long a program may take: some ask the user to unlock a store.
    private let patience: Duration

    package init(patience: Duration = .seconds(60)) { self.patience = patience }

    package func run(_ name: String, action: String, input: Secret) async throws -> (succeeded: Bool, output: Secret) {
        var configuration = ChildProcessConfiguration(.named("docker-credential-\(name)"), [action])
        // A helper that asks on the terminal must be able to.
        configuration.grouping = .shared
        let command = configuration
        let bytes = Array(input.reveal().utf8)
        let patience = patience
        return try await withThrowingTaskGroup(of: ChildProcessOutput?.self) { group in
            group.addTask { try await ChildProcess.run(command, input: bytes) }
            group.addTask {
                try await ContinuousClock().sleep(for: patience)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let result = first else {
                throw SettingsError.credentialHelper(
                    name: "docker-credential-\(name)",
                    action: action,
                    reason: "no answer within \(patience.components.seconds) seconds"
                )
            }
            return (result.status.isSuccess, Secret(String(decoding: result.output, as: UTF8.self)))
        }
    }
}

/// What helpers and their users exchange.
///
/// See docker/docker-credential-helpers, "Development".
struct HelperProtocol: Sendable {
    package let name: String
    let helper: any CredentialHelper

    private struct Entry: Codable {
        var ServerURL: String?
        var Username: String
        var Secret: String
    }

    /// The user name that stands for an identity token in place of a password.
    private static let tokenUser = "<token>"

    init(name: String, helper: any CredentialHelper) throws(SettingsError) {
        guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != "/" }) else {
            throw .credentialHelper(
                name: escapedForDisplay(Array(name.utf8)),
                action: "start",
                reason: "the name is not valid"
            )
        }
        self.name = name
        self.helper = helper
    }

    func get(_ server: String) async throws -> Credential? {
        let (succeeded, output) = try await run("get", Secret(server))
        if !succeeded {
            let text = output.reveal().lowercased()
            if text.contains("credentials not found") { return nil }
            throw failure("get", Self.shown(output))
        }
        let entry: Entry
        do {
            entry = try JSONDecoder().decode(Entry.self, from: Data(output.reveal().utf8))
        } catch {
            throw failure("get", "its answer is not the JSON of a credential")
        }
        if entry.Username == Self.tokenUser { return .identityToken(Secret(entry.Secret)) }
        if entry.Username.isEmpty && entry.Secret.isEmpty { return nil }
        return .password(user: entry.Username, password: Secret(entry.Secret))
    }

    package func store(_ credential: Credential, for server: String) async throws {
        let entry: Entry
        switch credential {
        case .password(let user, let password):
            entry = Entry(ServerURL: server, Username: user, Secret: password.reveal())
        case .identityToken(let token), .registryToken(let token):
            entry = Entry(ServerURL: server, Username: Self.tokenUser, Secret: token.reveal())
        }
        let input = Secret(String(decoding: try JSONEncoder().encode(entry), as: UTF8.self))
        let (succeeded, output) = try await run("store", input)
        if !succeeded { throw failure("store", Self.shown(output)) }
    }

    package func erase(_ server: String) async throws {
        let (succeeded, output) = try await run("erase", Secret(server))
        if !succeeded, !output.reveal().lowercased().contains("credentials not found") {
            throw failure("erase", Self.shown(output))
        }
    }

    private func run(_ action: String, _ input: Secret) async throws -> (succeeded: Bool, output: Secret) {
        do {
            return try await helper.run(name, action: action, input: input)
        } catch let error as ProgramNotFound {
            throw failure(action, "\(error)")
        }
    }

    private func failure(_ action: String, _ reason: String) -> SettingsError {
        .credentialHelper(name: "docker-credential-\(name)", action: action, reason: reason)
    }

    /// What a failing helper says, which by its protocol is a message and never a secret.
    private static func shown(_ output: Secret) -> String {
        let line = output.reveal().utf8.prefix(300).filter { $0 != 0x0a && $0 != 0x0d }
        return line.isEmpty ? "it failed without a message" : escapedForDisplay(Array(line))
    }
}
