import BuildCache
import BuildKitProto
import DockerfileFrontend
import LLB
import LinuxSystem
import SwiftProtobuf
import Text

/// Which builds of the history a client means: texts of which one must match; within one, commas mean that all must.
///
/// `ref`, `status` and `repository` are compared as containerd's filters are (`==`, `!=`, `~=`), `startedAt`,
/// `completedAt` and `duration` with `<`, `<=`, `>` and `>=`.
struct HistoryFilter {
    private enum Sign: String, CaseIterable {
        case equal = "==", different = "!=", like = "~="
        case atLeast = ">=", atMost = "<=", above = ">", below = "<"
    }

    private enum Condition {
        case text(field: String, Sign, String, TextPattern?)
        /// A field that has a value.
        case present(field: String)
        /// Seconds since 1970, or nanoseconds of a duration.
        case number(field: String, Sign, Int64)
    }

    private let conditions: [Condition]

    init(parsing text: String, now: FileTime) throws(ServiceError) {
        let fields: [[UInt8]]
        do throws(CommaSeparatedError) { fields = try commaSeparatedFields(Array(text.utf8)) } catch {
            throw .invalidFilter(text)
        }
        var conditions: [Condition] = []
        for field in fields where !field.isEmpty {
            conditions.append(try Self.condition(String(decoding: field, as: UTF8.self), now))
        }
        self.conditions = conditions
    }

    private static func condition(_ text: String, _ now: FileTime) throws(ServiceError) -> Condition {
        let name = text.prefix { $0.isLetter }
        let rest = text[name.endIndex...]
        guard !name.isEmpty else { throw .invalidFilter(text) }
        if rest.isEmpty { return .present(field: String(name)) }
        guard let sign = Sign.allCases.first(where: { rest.hasPrefix($0.rawValue) }) else { throw .invalidFilter(text) }
        let value = String(rest.dropFirst(sign.rawValue.count))
        switch sign {
        case .equal, .different, .like: return try self.text(String(name), sign, value, in: text)
        case .atLeast, .atMost, .above, .below:
            guard let number = number(String(name), value, now) else { throw .invalidFilter(text) }
            return .number(field: String(name), sign, number)
        }
    }

    private static func text(_ name: String, _ sign: Sign, _ value: String, in text: String) throws(ServiceError)
        -> Condition
    {
        var wanted = value
        if value.count >= 2, let quote = value.first, quote == value.last, "\"/|".contains(quote) {
            wanted = String(value.dropFirst().dropLast())
        }
        guard sign == .like else { return .text(field: name, sign, wanted, nil) }
        do throws(TextPattern.Invalid) {
            return .text(field: name, sign, wanted, try TextPattern(parsing: wanted))
        } catch { throw .invalidFilter(text) }
    }

    private static func number(_ name: String, _ value: String, _ now: FileTime) -> Int64? {
        switch name {
        case "startedAt", "completedAt":
            return WrittenMoment(value).map { FileTime($0, now: now).seconds }
        case "duration": return parsedDuration(Array(value.utf8))
        default: return nil
        }
    }

    // MARK: Matching

    func matches(_ record: Moby_Buildkit_V1_BuildHistoryRecord) -> Bool {
        conditions.allSatisfy { condition in
            switch condition {
            case .present(let field): Self.value(field, of: record) != nil
            case .text(let field, let sign, let wanted, let pattern):
                Self.matches(Self.value(field, of: record), sign, wanted, pattern)
            case .number(let field, let sign, let wanted):
                Self.matches(Self.number(field, of: record), sign, wanted)
            }
        }
    }

    private static func matches(_ value: String?, _ sign: Sign, _ wanted: String, _ pattern: TextPattern?) -> Bool {
        switch sign {
        case .equal: value == wanted
        case .different: value != wanted
        case .like: value.map { pattern?.matches($0) ?? false } ?? false
        case .atLeast, .atMost, .above, .below: false
        }
    }

    private static func matches(_ value: Int64, _ sign: Sign, _ wanted: Int64) -> Bool {
        switch sign {
        case .atLeast: value >= wanted
        case .atMost: value <= wanted
        case .above: value > wanted
        case .below: value < wanted
        case .equal, .different, .like: false
        }
    }

    private static func value(_ field: String, of record: Moby_Buildkit_V1_BuildHistoryRecord) -> String? {
        switch field {
        case "ref": return record.ref
        case "status":
            if !record.hasCompletedAt { return "running" }
            if !record.hasError { return "completed" }
            return record.error.message.contains("context canceled") ? "canceled" : "error"
        case "repository":
            if let source = record.frontendAttrs["vcs:source"] { return source }
            guard let context = record.frontendAttrs["context"], GitSource.mayBeRepository(Array(context.utf8)) else {
                return nil
            }
            return String(context.prefix { $0 != "#" && $0 != "?" })
        default: return nil
        }
    }

    private static func number(_ field: String, of record: Moby_Buildkit_V1_BuildHistoryRecord) -> Int64 {
        let (start, end) = (record.createdAt, record.completedAt)
        switch field {
        case "startedAt": return start.seconds
        case "completedAt": return record.hasCompletedAt ? end.seconds : 0
        default:
            guard record.hasCompletedAt else { return 0 }
            return (end.seconds - start.seconds) * 1_000_000_000 + Int64(end.nanos - start.nanos)
        }
    }
}
