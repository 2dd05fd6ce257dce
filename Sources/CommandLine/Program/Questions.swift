internal import LinuxSystem
internal import Terminal

/// What commands ask the person at the terminal.
extension SlipwayEnvironment {
    /// Asks before something is removed; anything but `y` or `yes` is a no.
    func confirms(_ warning: String) async throws -> Bool {
        try await output.write("\(warning)\nAre you sure you want to continue? [y/N] ")
        let answer = try await router.handling(Self.exitOnInterrupt(restoring: nil)) { try await input.readLine() }
        if answer == nil { try await output.writeLine("") }
        let text = String(decoding: answer ?? [], as: UTF8.self).trimmed.lowercased()
        return text == "y" || text == "yes"
    }

    /// Asks for a line of text, with a default that an empty line takes.
    func ask(_ question: String) async throws -> String {
        try await output.write(question)
        let answer = try await router.handling(Self.exitOnInterrupt(restoring: nil)) { try await input.readLine() }
        return String(decoding: answer ?? [], as: UTF8.self).trimmed
    }

    /// Asks for a password without showing it.
    func askSecretly(_ question: String) async throws -> String {
        try await output.write(question)
        let modes = TerminalModes(of: input.descriptor)
        try modes?.withoutEcho.apply(to: input.descriptor)
        defer { try? modes?.apply(to: input.descriptor) }
        let answer = try await router.handling(Self.exitOnInterrupt(restoring: modes)) { try await input.readLine() }
        return String(decoding: answer ?? [], as: UTF8.self).trimmed
    }

    /// A read from a terminal cannot be cancelled, so Ctrl-C at a question ends the process.
    private static func exitOnInterrupt(restoring modes: TerminalModes?) -> SignalRouter.Handler {
        { signal in
            guard signal != .windowChange else { return }
            try? modes?.apply(to: StandardStream.input.descriptor)
            ProcessContext.exitAtOnce(CommandStatus.interrupted.rawValue)
        }
    }
}
