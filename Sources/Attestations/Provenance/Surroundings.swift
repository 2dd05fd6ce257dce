internal import LinuxSystem
package import SystemPackage
package import Text

extension Provenance {
    /// Reads what provenance tells of where it is made: the members of all JSON documents in a directory.
    /// - Parameter directory: where they are; one that is missing has none.
    /// - Returns: the members; of two with one name that of the later document.
    /// - Throws: `AttestationError`, `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func surroundings(in directory: FilePath) throws -> [String: JSONValue] {
        guard try HostFiles.status(of: directory) != nil else { return [:] }
        let root = try RootedDirectory(directory)
        var members: [String: JSONValue] = [:]
        for name in try root.entries().sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let path = FilePath(root: nil, FilePath(bytes: name).components)
            guard path.extension == "json", try root.status(path).type != .directory else { continue }
            let bytes = try root.open(path, .readOnly).readToEnd(limit: 1 << 20)
            do {
                for member in try JSONValue.members(parsing: bytes) { members[member.name] = member.value }
            } catch {
                let file = directory.appending(path.components)
                throw AttestationError.invalidSurroundings(escapedForDisplay(file.bytes), reason: "\(error)")
            }
        }
        for key in ["buildConfig", "builderPlatform", "platform"] where members[key] != nil {
            throw AttestationError.reservedKey(key)
        }
        return members
    }
}
