package import BuildCache
package import Terminal
import Text

extension CacheFilter {
    package init(parsing bytes: [UInt8]) throws(FlagValueError) { try self.init(text: try FlagValues.text(bytes)) }

    /// Reads `name=value`, `name==value` or `name~=value`; truth values may be left out.
    package init(text: String) throws(FlagValueError) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts.first ?? ""
        // BuildKit's configuration writes two signs where docker's flags have one.
        let value = parts.count > 1 ? (parts[1].hasPrefix("=") ? String(parts[1].dropFirst()) : parts[1]) : nil
        func isTrue() throws(FlagValueError) -> Bool {
            try value.map { v throws(FlagValueError) in try FlagValues.boolean(Array(v.utf8)) } ?? true
        }
        switch (name, value) {
        case ("id", let value?), ("id~", let value?): self = .id(value)
        case ("parents", let value?), ("parent", let value?): self = .parent(value)
        case ("type", let value?): self = .type(value)
        case ("description", let value?): self = .description(value)
        case ("description~", let value?):
            do throws(TextPattern.Invalid) { self = .describedBy(try TextPattern(parsing: value)) } catch {
                throw FlagValueError("\"\(value)\" is not a pattern: \(error.reason)")
            }
        case ("until", let value?), ("unused-for", let value?):
            self = .unused(try FlagValues.seconds(Array(value.utf8)))
        case ("inuse", _): self = .inUse(try isTrue())
        case ("mutable", _): self = .mutable(try isTrue())
        case ("immutable", _): self = .mutable(try !isTrue())
        case ("shared", _): self = .shared(try isTrue())
        case ("private", _): self = .shared(try !isTrue())
        case ("id", nil), ("parents", nil), ("type", nil), ("description", nil), ("until", nil):
            throw FlagValueError("bad format of filter (expected name=value)")
        default:
            throw FlagValueError(
                "the filter \(name) is not one of id, parents, type, description, until, inuse, mutable, immutable, shared and private"
            )
        }
    }
}
