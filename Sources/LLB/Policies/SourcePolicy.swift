package import BuildKitProto
import OCI
import SwiftProtobuf
import Text

/// Rules for what a graph may bring in from outside, and for what it brings in instead.
///
/// Of the rules that allow or deny a source the last one that matches holds. The first that changes it ends the
/// policy: the source that it names instead is judged anew, from the first policy on.
package struct SourcePolicy: Sendable {
    private let rules: [SourceRule]

    /// - Throws: `SourcePolicyError` for a rule that cannot be understood.
    package init(_ message: Moby_Buildkit_V1_Sourcepolicy_Policy) throws(SourcePolicyError) {
        var rules: [SourceRule] = []
        for rule in message.rules { rules.append(try SourceRule(rule)) }
        self.rules = rules
    }

    /// Reads a policy from the file in which BuildKit's tools keep it.
    package init(json: [UInt8]) throws(SourcePolicyError) {
        let message: Moby_Buildkit_V1_Sourcepolicy_Policy
        do {
            var options = JSONDecodingOptions()
            options.ignoreUnknownFields = true
            message = try Moby_Buildkit_V1_Sourcepolicy_Policy(jsonUTF8Bytes: json, options: options)
        } catch {
            throw .malformed("\(error)")
        }
        try self.init(message)
    }

    /// How often a source may be changed before that counts as endless.
    private static let changeLimit = 20

    /// What a source is according to some policies, in their order.
    /// - Returns: the source itself, or what it was changed to.
    /// - Throws: `SourcePolicyError.denied`, and others for rules that make no sense.
    package static func evaluate(_ policies: [SourcePolicy], _ source: Source) throws(SourcePolicyError) -> Source {
        var source = source
        for _ in 0...changeLimit {
            var changed: Source?
            for policy in policies {
                changed = try policy.evaluate(source)
                if changed != nil { break }
            }
            guard let changed else { return source }
            source = changed
        }
        throw .endless(source.identifier)
    }

    /// - Returns: what the source is changed to; nil where it stays.
    private func evaluate(_ source: Source) throws(SourcePolicyError) -> Source? {
        var isDenied = false
        for rule in rules where try rule.matches(source) {
            switch rule.action {
            case .allow: isDenied = false
            case .deny: isDenied = true
            case .convert(let update):
                let changed = try rule.apply(update, to: source)
                if changed != source { return changed }
            case .unknown(let number): throw .unknownAction(number, rule.selector.text)
            }
        }
        if isDenied { throw .denied(source.identifier) }
        return nil
    }
}

/// Why a source may not be used, or a policy makes no sense.
package enum SourcePolicyError: Error, Hashable, Sendable, CustomStringConvertible {
    case malformed(String)
    case missingSelector
    case invalidPattern([UInt8], reason: String)
    case unknownAction(Int, [UInt8])
    case unknownMatch(Int)
    case unknownCondition(Int)
    case missingDestination
    case denied([UInt8])
    case endless([UInt8])

    // In the words of BuildKit, by which its clients know them.
    package var description: String {
        switch self {
        case .malformed(let reason): "failed to read the source policy: \(reason)"
        case .missingSelector: "invalid nil selector in policy"
        case .invalidPattern(let pattern, let reason):
            "the source policy's pattern \"\(escapedForDisplay(pattern))\" is refused: \(reason)"
        case .unknownAction(let number, let selector):
            "source policy: rule \(number) \(escapedForDisplay(selector)): unknown type"
        case .unknownMatch(let number): "unknown match type: \(number)"
        case .unknownCondition(let number): "unknown attr condition: \(number)"
        case .missingDestination: "error mutating source policy: missing destination for convert rule"
        case .denied(let source):
            "source \"\(escapedForDisplay(withoutCredentials(source)))\" denied by policy: source denied by policy"
        case .endless(let source):
            "too many mutations on a single source: \(escapedForDisplay(withoutCredentials(source))): too many operations"
        }
    }
}
