/// Paths as bytes: text rules only. What a path means in a tree only the tree can say.
extension [UInt8] {
    package static let slash: UInt8 = "/"

    /// The components that are neither empty nor `.`.
    package var pathComponents: [[UInt8]] {
        split(separator: Self.slash).compactMap { $0 == "." ? nil : Array($0) }
    }

    /// Whether the path asks to be a directory: it ends in `/` or in a component `.`.
    package var endsAsDirectory: Bool {
        last == Self.slash || elementsEqual(".".utf8) || Array(suffix(2)) == [Self.slash, "."]
    }

    /// The path of an entry in the directory of this path; the empty path is the root.
    package func appending(component: [UInt8]) -> [UInt8] {
        if isEmpty { return component }
        var path: [UInt8] = []
        path.reserveCapacity(count + 1 + component.count)
        path += self
        path.append(Self.slash)
        path += component
        return path
    }

    /// Everything before the last component; the empty path for one component.
    package var parentPath: [UInt8] { lastIndex(of: Self.slash).map { Array(self[..<$0]) } ?? [] }

    /// The last component.
    package var lastComponent: [UInt8] { lastIndex(of: Self.slash).map { Array(self[($0 + 1)...]) } ?? self }

    /// Components made a path again, without a leading slash.
    package init(components: some Sequence<[UInt8]>) { self = Array(components.joined(separator: [Self.slash])) }
}

/// A path without `.`, `..`, doubled and leading slashes, with the root as `/`: `..` stays below it.
package func rootedPath(_ path: [UInt8]) -> [UInt8] {
    Array(cleanedPath([[UInt8].slash] + path).dropFirst())
}
