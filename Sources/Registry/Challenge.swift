package import OCI
import Text

/// One way of authenticating that a server offers in `WWW-Authenticate`.
///
/// See RFC 9110, section 11.
package struct Challenge: Hashable, Sendable {
    /// In lower case: `basic`, `bearer`.
    package let scheme: String
    /// Names in lower case.
    package let parameters: [String: String]

    package init(scheme: String, parameters: [String: String]) {
        self.scheme = scheme
        self.parameters = parameters
    }

    /// Reads all challenges of all headers of that name, in their order; what is not well formed is left out.
    package static func parse(_ headers: [String]) -> [Challenge] {
        var challenges: [Challenge] = []
        for header in headers {
            var scanner = Scanner(bytes: Array(header.utf8.prefix(8192)))
            challenges += scanner.challenges()
        }
        return challenges
    }

    private struct Scanner {
        let bytes: [UInt8]
        var position = 0

        mutating func challenges() -> [Challenge] {
            var found: [Challenge] = []
            skipSeparators()
            while let scheme = token() {
                var parameters: [String: String] = [:]
                skipSpaces()
                while let (name, value) = parameter() {
                    if parameters[name] == nil { parameters[name] = value }
                    skipSeparators()
                }
                found.append(Challenge(scheme: scheme.lowercased(), parameters: parameters))
                skipSeparators()
            }
            return found
        }

        private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

        private mutating func skipSpaces() { while peek == 0x20 || peek == 0x09 { position += 1 } }

        private mutating func skipSeparators() {
            while peek == 0x20 || peek == 0x09 || peek == "," { position += 1 }
        }

        private mutating func token() -> String? {
            let start = position
            while let byte = peek, byte > 0x20, byte < 0x7f, !"()<>@,;:\\\"/[]?={}".utf8.contains(byte) {
                position += 1
            }
            return position == start ? nil : String(decoding: bytes[start..<position], as: UTF8.self)
        }

        /// Reads `name=value`; where the next word is a scheme, the position stays as it was.
        private mutating func parameter() -> (String, String)? {
            let start = position
            guard let name = token() else { return nil }
            skipSpaces()
            guard peek == "=" else {
                position = start
                return nil
            }
            position += 1
            skipSpaces()
            // Without its end, a quoted value takes the rest of the header with it.
            guard let value = peek == "\"" ? quotedString() : token() else { return nil }
            return (name.lowercased(), value)
        }

        private mutating func quotedString() -> String? {
            var text: [UInt8] = []
            position += 1
            while let byte = peek {
                position += 1
                if byte == "\"" { return String(decoding: text, as: UTF8.self) }
                if byte == "\\", let escaped = peek {
                    position += 1
                    text.append(escaped)
                } else {
                    text.append(byte)
                }
            }
            return nil
        }
    }
}

/// What a token is asked for: a repository and what may be done with it.
package struct AccessScope: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The repository's path in the registry.
    package let repository: String
    package let mayPush: Bool

    package init(repository: String, mayPush: Bool) {
        self.repository = repository
        self.mayPush = mayPush
    }

    /// As the token protocol writes it, for example `repository:library/python:pull`.
    package var description: String { "repository:\(repository):\(mayPush ? "pull,push" : "pull")" }

    package static func < (left: AccessScope, right: AccessScope) -> Bool { left.description < right.description }
}

/// A repository: the registry as image names spell it, and the path in it.
package struct Repository: Hashable, Sendable, CustomStringConvertible {
    /// For example `docker.io` or `localhost:5000`.
    package let domain: String
    package let path: String
    /// As docker shows it, for example `python`.
    package let familiar: String

    package init(_ reference: ImageReference) {
        domain = reference.domain
        path = reference.path
        familiar = reference.familiarRepository
    }

    package var description: String { "\(domain)/\(path)" }
}
