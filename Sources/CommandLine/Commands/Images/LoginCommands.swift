internal import LinuxSystem
internal import Registry
internal import Settings
internal import Terminal
internal import Text

/// `slipway login`.
struct LoginCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "[SERVER]",
        summary: "Authenticate to a registry",
        detail: "Without a server it is Docker Hub.",
        arguments: .atMost(1),
        place: .anywhere
    )
    static let flags: [Flag<LoginCommand>] = [
        .text("username", short: "u", \.user, help: "User name"),
        .text("password", short: "p", \.password, help: "Password or personal access token"),
        .toggle("password-stdin", \.readsPassword, help: "Read the password from stdin"),
    ]

    var arguments: [[UInt8]] = []
    var user: String?
    var password: String?
    var readsPassword = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let domain = DockerCredentials.domain(ofServer: try textArguments().first)
        if readsPassword {
            if password != nil { throw CommandFailure("--password and --password-stdin are mutually exclusive") }
            if user == nil { throw CommandFailure("Must provide --username with --password-stdin") }
        } else if password != nil {
            try await environment.errorOutput.writeLine(
                "WARNING! Using --password via the CLI is insecure. Use --password-stdin."
            )
        }
        let login = try await environment.registryLogin()
        if user == nil, password == nil, let stored = try? await login.logInWithStored(to: domain) {
            let name = stored.user.map { " [Username: \($0)]" } ?? ""
            try await environment.output.writeLine("Authenticating with existing credentials...\(name)\n")
            try await environment.output.writeLine("Login Succeeded")
            return .success
        }
        let (user, password) = try await credentials(environment)
        switch try await login.logIn(to: domain, user: user, password: Secret(password)) {
        case .file(let path):
            let file = escapedForDisplay(path.bytes)
            try await environment.errorOutput.writeLine(
                "\nWARNING! Your credentials are stored unencrypted in '\(file)'.\nConfigure a credential helper to remove this warning.\n"
            )
        case .helper: break
        }
        try await environment.output.writeLine("Login Succeeded")
        return .success
    }

    /// What was given, and the answers to questions for the rest.
    private func credentials(_ environment: SlipwayEnvironment) async throws -> (user: String, password: String) {
        var password = password
        if readsPassword {
            let bytes = try await environment.input.readToEnd(limit: 1 << 16)
            password = String(decoding: bytes, as: UTF8.self).trimmed
        }
        if user == nil || password == nil, !environment.input.isTerminal {
            throw CommandFailure("Error: Cannot perform an interactive login from a non TTY device")
        }
        let name: String
        if let user { name = user } else { name = try await environment.ask("Username: ") }
        if name.isEmpty { throw CommandFailure("Error: username is required") }
        if password == nil { password = try await environment.askSecretly("Password: ") }
        guard let password, !password.isEmpty else { throw CommandFailure("Error: password is required") }
        return (name, password)
    }
}

/// `slipway logout`.
struct LogoutCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "[SERVER]",
        summary: "Log out from a registry",
        detail: "Without a server it is Docker Hub.",
        arguments: .atMost(1),
        place: .anywhere
    )
    static let flags: [Flag<LogoutCommand>] = []

    var arguments: [[UInt8]] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let domain = DockerCredentials.domain(ofServer: try textArguments().first)
        let login = try await environment.registryLogin()
        let shown = domain == "docker.io" ? "https://index.docker.io/v1/" : domain
        if try await login.logOut(of: domain) {
            try await environment.output.writeLine("Removing login credentials for \(shown)")
        } else {
            try await environment.output.writeLine("Not logged in to \(shown)")
        }
        return .success
    }
}
