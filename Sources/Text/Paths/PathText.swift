/// A path in its shortest form, as Go's `path.Clean` makes it: no `.`, no `//`, and `..` only at the front of a relative path.
///
/// A text rule for patterns and settings: what a path means in a file system only the file system can say.
package func cleanedPath(_ path: [UInt8]) -> [UInt8] {
    let isRooted = path.first == "/"
    var parts: [ArraySlice<UInt8>] = []
    for part in path.split(separator: "/") {
        if part == "." { continue }
        guard part == ".." else {
            parts.append(part)
            continue
        }
        if let last = parts.last, last != ".." {
            parts.removeLast()
        } else if !isRooted {
            parts.append(part)
        }
    }
    let joined = Array(parts.joined(separator: ["/"]))
    if isRooted { return "/" + joined }
    return joined.isEmpty ? "." : joined
}

/// `path` below `directory`, in its shortest form; an absolute `path` is taken as relative, as Go's `path.Join` does.
package func joinedPath(_ directory: [UInt8], _ path: [UInt8]) -> [UInt8] {
    if directory.isEmpty { return path.isEmpty ? [] : cleanedPath(path) }
    return path.isEmpty ? cleanedPath(directory) : cleanedPath(directory + "/" + path)
}
