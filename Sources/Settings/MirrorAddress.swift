package import HTTP
import Text

/// A mirror as the configuration spells it: a host, perhaps a scheme before it and a path prefix after it.
package struct MirrorAddress: Hashable, Sendable {
    package let scheme: HTTPURL.Scheme?
    /// `host` or `host:port`, which is also the name of its own table.
    package let host: String
    /// Repositories of the mirrored registry lie below this path; empty or without slashes at the ends.
    package let path: String

    package init?(parsing text: String) {
        var rest = text[...]
        var scheme: HTTPURL.Scheme?
        for candidate in [HTTPURL.Scheme.https, .http] where rest.hasPrefix("\(candidate.rawValue)://") {
            scheme = candidate
            rest = rest.dropFirst(candidate.rawValue.count + 3)
            break
        }
        let host = rest.prefix { $0 != "/" }
        let components = rest.dropFirst(host.count).split(separator: "/")
        let isPath = components.allSatisfy { component in
            component != "." && component != ".."
                && component.utf8.allSatisfy {
                    ("a"..."z").contains($0 | 0x20) || (0x30...0x39).contains($0)
                        || "._-".utf8.contains($0)
                }
        }
        guard Authority(parsing: host) != nil, isPath else { return nil }
        self.scheme = scheme
        self.host = String(host)
        path = components.joined(separator: "/")
    }
}
