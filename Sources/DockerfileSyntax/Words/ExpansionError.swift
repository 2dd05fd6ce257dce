/// Why a word cannot be expanded.
package indirect enum ExpansionError: Error, Hashable, Sendable, CustomStringConvertible {
    case badSubstitution
    case missingBrace
    case missingSlash
    case unsupportedModifier(String)
    case unmatchedSingleQuote
    case unmatchedDoubleQuote
    case unset(name: String, message: String)
    case invalidPattern(String, reason: String)
    case nestedTooDeep(limit: Int)
    case tooLong(limit: Int)
    case tooMuchWork
    /// The word in which the error is.
    case inWord(String, ExpansionError)

    package var description: String {
        switch self {
        case .badSubstitution: "syntax error: bad substitution"
        case .missingBrace: "syntax error: missing '}'"
        case .missingSlash: "syntax error: missing '/' in ${}"
        case .unsupportedModifier(let modifier): "unsupported modifier (\(modifier)) in substitution"
        case .unmatchedSingleQuote: "unexpected end of statement while looking for matching single-quote"
        case .unmatchedDoubleQuote: "unexpected end of statement while looking for matching double-quote"
        case .unset(let name, let message): "\(name): \(message)"
        case .invalidPattern(let pattern, let reason): "invalid pattern (\(pattern)) in substitution: \(reason)"
        case .nestedTooDeep(let limit): "substitutions are nested more than \(limit) deep"
        case .tooLong(let limit): "the expanded text is longer than \(limit) bytes"
        case .tooMuchWork: "the pattern of a substitution takes too long to match"
        case .inWord(let word, let error): "failed to process \(word): \(error)"
        }
    }
}
