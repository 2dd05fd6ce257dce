internal import Terminal

extension RunnableCommand {
    /// Arguments as text; for those whose grammar is ASCII, as image names are.
    func textArguments() throws -> [String] {
        try arguments.map { bytes in
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw CommandError.argumentIsNoText(bytes)
            }
            return text
        }
    }
}
