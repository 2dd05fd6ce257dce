package import LLB
import OCI
internal import Text

/// Why the address of a git repository cannot be used.
package enum GitReferenceError: Error, Hashable, Sendable, CustomStringConvertible {
    case invalidAddress(String)
    case emptyQuery(String)
    case repeatedQuery(String)
    case unknownQuery(String)
    case invalidValue(String, String)
    case conflict(String, String, String)
    case branchAndTag

    package var description: String {
        switch self {
        case .invalidAddress(let text): "invalid git address \(quoted(text))"
        case .emptyQuery(let name): "query \(quoted(name)) has no value"
        case .repeatedQuery(let name): "query \(quoted(name)) has multiple values"
        case .unknownQuery(let name): "unexpected query \(quoted(name))"
        case .invalidValue(let name, let value): "invalid \(name) value: \(quoted(value))"
        case .branchAndTag: "branch conflicts with tag: name one of them"
        case .conflict(let name, let first, let second): "\(name) conflicts: \(quoted(first)) and \(quoted(second))"
        }
    }
}

extension GitSource {
    /// Reads an address as users write it: `https://host/name.git#reference:directory`, `git@host:name`, `ssh://…`, `git://…`,
    /// with what it asks for in the fragment or as a query (`?branch=…&subdir=…`).
    ///
    /// - Returns: nil for any other address.
    package init?(parsing text: [UInt8]) throws(GitReferenceError) {
        guard Self.mayBeRepository(text) else { return nil }
        let parts = text.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        let before = parts.first ?? []
        let query = before.firstIndex(of: "?")
        guard let remote = GitRemote(parsing: Array(before[..<(query ?? before.endIndex)])) else {
            throw .invalidAddress(withoutCredentials(text).displayText)
        }
        self.init(remote: remote)
        // As BuildKit's client names them.
        authorizationSecret = "GIT_AUTH_HEADER"
        tokenSecret = "GIT_AUTH_TOKEN"
        if remote.transport == .ssh { agent = "default" }
        if parts.count > 1 { setFragment(parts[1]) }
        if let query { try setQuery(before[(query + 1)...]) }
    }

    /// By its beginning; over HTTP only names that end in `.git` are repositories.
    package static func mayBeRepository(_ text: [UInt8]) -> Bool {
        let address = text.prefix { $0 != "#" && $0 != "?" }
        if text.starts(with: "http://") || text.starts(with: "https://") {
            return address.suffix(4) == ".git"
        }
        if text.starts(with: "git://") || text.starts(with: "ssh://") { return true }
        // user@host:path
        return !text.starts(with: "./") && !text.starts(with: "../")
            && GitRemote(parsing: Array(address)) != nil
    }

    private mutating func setQuery(_ query: ArraySlice<UInt8>) throws(GitReferenceError) {
        var seen: Set<[UInt8]> = []
        var tag: [UInt8]?
        var branch: [UInt8]?
        for field in query.split(separator: "&") {
            let pair = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = percentDecoded(pair.first ?? [])
            let name = key.displayText
            let value = pair.count > 1 ? percentDecoded(pair[1]) : []
            guard !value.isEmpty || Self.flags.contains(name) else { throw .emptyQuery(name) }
            guard seen.insert(key).inserted else { throw .repeatedQuery(name) }
            switch name {
            case "ref": reference = try agreed("ref", reference, value)
            case "tag": tag = value
            case "branch": branch = value
            case "subdir": subdirectory = try agreed("subdir", subdirectory, value)
            case "checksum", "commit": checksum = try agreed("checksum", checksum, value)
            case "keep-git-dir": keepsGitDirectory = try Self.flag(name, value)
            case "submodules": skipsSubmodules = try !Self.flag(name, value)
            case "fetch-by-commit": _ = try Self.flag(name, value)
            case "mtime":
                guard ["checkout", "commit"].contains(value.displayText) else {
                    throw .invalidValue(name, value.displayText)
                }
                hasCheckoutTimes = value.displayText == "checkout"
            default: throw .unknownQuery(name)
            }
        }
        if tag != nil, branch != nil { throw .branchAndTag }
        if let tag { reference = try agreed("ref", reference, "refs/tags/" + tag) }
        if let branch { reference = try agreed("ref", reference, "refs/heads/" + branch) }
        // No server resolves an abbreviated commit id: it is looked for on the default branch.
        if reference == nil, let checksum, [40, 64].contains(checksum.count) { reference = checksum }
    }

    /// A value that may have been given before, if it is the same.
    private func agreed(_ name: String, _ old: [UInt8]?, _ new: [UInt8]) throws(GitReferenceError) -> [UInt8] {
        guard let old, old != new else { return new }
        throw .conflict(name, old.displayText, new.displayText)
    }

    /// What can be asked for by its name alone.
    private static let flags: Set<String> = ["keep-git-dir", "submodules", "fetch-by-commit"]

    private static func flag(_ name: String, _ value: [UInt8]) throws(GitReferenceError) -> Bool {
        switch value.displayText.lowercased() {
        case "", "1", "t", "true": true
        case "0", "f", "false": false
        default: throw .invalidValue(name, value.displayText)
        }
    }
}
