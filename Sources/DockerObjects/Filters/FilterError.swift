internal import Terminal
internal import Text

/// Why a filter of a list is refused.
package enum FilterError: Error, Sendable, Hashable, CustomStringConvertible {
    /// One that there is not, or `name=value` with a value that means nothing.
    case unknown(String)
    case unreadable(String)
    case invalidExpression(name: String, value: String, reason: String)

    package var description: String {
        switch self {
        case .unknown(let text): "invalid filter '\(text)'"
        case .unreadable(let reason): reason
        case .invalidExpression(let name, let value, let reason): "invalid filter '\(name)=\(value)': \(reason)"
        }
    }
}

extension ListFilter {
    /// - Throws: `FilterError` for one without a value.
    init(_ text: String) throws(FilterError) {
        do throws(FlagValueError) {
            try self.init(parsing: Array(text.utf8))
        } catch {
            throw .unreadable(error.reason)
        }
    }
}

extension NameExpression {
    /// The expression of a filter.
    /// - Throws: `FilterError` that names the filter.
    static func filter(_ filter: ListFilter) throws(FilterError) -> NameExpression {
        do throws(Refusal) {
            return try NameExpression(Array(filter.value.utf8))
        } catch {
            throw .invalidExpression(name: filter.name, value: filter.value, reason: error.reason)
        }
    }
}
