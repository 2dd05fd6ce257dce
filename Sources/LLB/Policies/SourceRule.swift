import BuildKitProto
import FoundationEssentials
import SwiftProtobuf
import Text

/// One rule of a policy.
struct SourceRule: Sendable {
    enum Action: Sendable {
        case allow
        case deny
        case convert(Update)
        case unknown(Int)
    }

    /// What a source is changed to.
    struct Update: Sendable {
        let identifier: [UInt8]
        let attributes: [String: [UInt8]]
    }

    private struct Constraint: Sendable {
        enum Condition: Sendable {
            case equal([UInt8])
            case notEqual([UInt8])
            case matches(NameExpression)
        }

        let key: String
        let condition: Condition
    }

    let action: Action
    let selector: SourceSelector
    private let constraints: [Constraint]
    /// Whether it says what to change a source to, where that is its action.
    private let isComplete: Bool

    init(_ message: Moby_Buildkit_V1_Sourcepolicy_Rule) throws(SourcePolicyError) {
        guard message.hasSelector else { throw .missingSelector }
        selector = try SourceSelector(message.selector)
        var constraints: [Constraint] = []
        for constraint in message.selector.constraints {
            let value = Array(constraint.value.utf8)
            let condition: Constraint.Condition
            switch constraint.condition {
            case .equal: condition = .equal(value)
            case .notequal: condition = .notEqual(value)
            case .matches: condition = .matches(try SourceSelector.expression(value))
            case .UNRECOGNIZED(let number): throw .unknownCondition(number)
            }
            constraints.append(Constraint(key: constraint.key, condition: condition))
        }
        self.constraints = constraints
        isComplete = message.hasUpdates
        switch message.action {
        case .allow: action = .allow
        case .deny: action = .deny
        case .convert:
            action = .convert(
                Update(
                    identifier: Array(message.updates.identifier.utf8),
                    attributes: message.updates.attrs.mapValues { Array($0.utf8) }
                )
            )
        case .UNRECOGNIZED(let number): action = .unknown(number)
        }
    }

    func matches(_ source: Source) throws(SourcePolicyError) -> Bool {
        for constraint in constraints {
            let value = source.attributes[constraint.key] ?? []
            let holds =
                switch constraint.condition {
                case .equal(let wanted): value == wanted
                case .notEqual(let unwanted): value != unwanted
                case .matches(let expression): expression.matches(value)
                }
            if !holds { return false }
        }
        return selector.matches(source.identifier)
    }

    func apply(_ update: Update, to source: Source) throws(SourcePolicyError) -> Source {
        guard isComplete else { throw .missingDestination }
        var changed = source
        if !update.identifier.isEmpty {
            let identifier = selector.format(update.identifier, for: source.identifier)
            if !identifier.isEmpty { changed.identifier = identifier }
        }
        changed.attributes.merge(update.attributes) { $1 }
        return changed
    }
}

/// Which sources a rule is about, by their identifiers.
struct SourceSelector: Sendable {
    private enum Match: Sendable {
        case exact
        case expression(NameExpression)
        /// With `*` for any text.
        case wildcard(NameExpression)
    }

    let text: [UInt8]
    private let match: Match

    init(_ message: Moby_Buildkit_V1_Sourcepolicy_Selector) throws(SourcePolicyError) {
        text = Array(message.identifier.utf8)
        switch message.matchType {
        case .exact: match = .exact
        case .regex: match = .expression(try Self.expression(text))
        case .wildcard: match = .wildcard(try Self.expression(Self.pattern(ofWildcard: text)))
        case .UNRECOGNIZED(let number): throw .unknownMatch(number)
        }
    }

    static func expression(_ pattern: [UInt8]) throws(SourcePolicyError) -> NameExpression {
        do throws(NameExpression.Refusal) { return try NameExpression(pattern) } catch {
            throw .invalidPattern(pattern, reason: error.reason)
        }
    }

    private static func pattern(ofWildcard text: [UInt8]) throws(SourcePolicyError) -> [UInt8] {
        let special: [UInt8] = #"\.+?()|[]{}^$"#
        var pattern: [UInt8] = "^"
        for byte in text {
            if byte == "*" {
                if pattern.suffix(4) == "(.*)" { throw .invalidPattern(text, reason: "invalid wildcard: \"**\"") }
                pattern += "(.*)"
                continue
            }
            if special.contains(byte) { pattern.append("\\") }
            pattern.append(byte)
        }
        return pattern + "$"
    }

    func matches(_ identifier: [UInt8]) -> Bool {
        if identifier == text { return true }
        switch match {
        case .exact: return false
        case .expression(let expression), .wildcard(let expression): return expression.matches(identifier)
        }
    }

    /// A destination with what stands for parts of the identifier put in.
    func format(_ destination: [UInt8], for identifier: [UInt8]) -> [UInt8] {
        switch match {
        case .exact: return destination
        case .expression(let expression): return expression.replacingMatches(in: identifier, with: destination)
        case .wildcard(let expression):
            return expression.groups(in: identifier).map { $0.expand(destination, in: identifier) } ?? identifier
        }
    }
}
