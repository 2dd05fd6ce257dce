import DockerfileSyntax

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Parses a Dockerfile named `Dockerfile`.
func parse(_ text: String) throws -> Dockerfile { try Dockerfile(parsing: bytes(text), name: "Dockerfile") }

/// The only instruction after `FROM scratch`.
func instruction(_ text: String) throws -> Instruction {
    let dockerfile = try parse("FROM scratch\n" + text)
    struct NotOne: Error {}
    guard let found = dockerfile.stages.first?.instructions, found.count == 1 else { throw NotOne() }
    return found[0]
}

/// The message of the error that a Dockerfile gives, or nil where it is valid.
func message(_ text: String) -> String? {
    do {
        _ = try parse(text)
        return nil
    } catch let error as DockerfileError {
        return error.message
    } catch {
        return "\(error)"
    }
}

/// The message for an instruction on the second line, without BuildKit's introduction.
func instructionMessage(_ text: String) -> String? {
    message("FROM scratch\n" + text)?.replacing("dockerfile parse error on line 2: ", with: "")
}

extension [UInt8] {
    var text: String { String(decoding: self, as: UTF8.self) }
}

extension [[UInt8]] {
    var texts: [String] { map(\.text) }
}

extension [Word] {
    var texts: [String] { map(\.bytes.text) }
}

/// A command line in a form that tests can write.
func shown(_ line: CommandLine) -> String {
    switch line {
    case .shell(let text): "shell " + text.text
    case .exec(let words): "exec " + words.texts.joined(separator: "|")
    }
}
