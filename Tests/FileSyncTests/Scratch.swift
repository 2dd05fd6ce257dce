import FileSync
import LinuxSystem
import SystemPackage
import Testing

/// Runs blocking code on a thread that may block.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await onBlockingPool(body)
}

/// A directory that lives as long as a test: `inside` is for what is tested, and beside it nothing may ever appear.
func withScratch(_ body: (Scratch) async throws -> Void) async throws {
    let scratch = try await blocking { try Scratch() }
    do {
        try await body(scratch)
    } catch {
        try? await blocking { try scratch.remove() }
        throw error
    }
    try await blocking { try scratch.remove() }
}

struct Scratch: Sendable {
    let path: FilePath
    let root: RootedDirectory
    let inside: RootedDirectory
    let workshop: RootedDirectory

    @available(*, noasync)
    init() throws {
        path = try makeScratchDirectory(in: "/tmp", prefix: "filesync-test-")
        for name in ["inside", "workshop"] { try HostFiles.createDirectory(path.appending(name), mode: 0o755) }
        root = try RootedDirectory(path)
        inside = try RootedDirectory(path.appending("inside"))
        workshop = try RootedDirectory(path.appending("workshop"))
    }

    @available(*, noasync)
    func remove() throws {
        try openUp(root.directory)
        try removeTree(path)
    }

    /// A receiver into `inside`, whose files belong to the user who runs the test.
    func receiver(
        isMerging: Bool = false,
        comparison: FileReceiver.Comparison = .metadata,
        scope: FileReceiver.Scope = .everything,
        limits: SyncLimits = SyncLimits(),
        plainMark: FilePath? = nil,
        isDigesting: Bool = false
    ) -> FileReceiver {
        FileReceiver(
            into: inside,
            workshop: workshop,
            isMerging: isMerging,
            comparison: comparison,
            scope: scope,
            owners: .fixed(user: ProcessContext.fileOwner.user, group: ProcessContext.fileOwner.group),
            limits: limits,
            plainMark: plainMark,
            isDigesting: isDigesting
        )
    }
}

/// Lets the owner into all directories of a tree, so that it can be removed.
@available(*, noasync)
private func openUp(_ directory: OpenFile) throws {
    try directory.changeMode(0o700)
    for name in try directoryEntries(of: directory)
    where try directory.entryStatus(named: name)?.type == .directory {
        try openUp(directory.openEntry(named: name, [.pathOnly, .directory]))
    }
}

/// A tree as text, one line an entry: path, type, mode, time, content or target, attributes, the first of its names.
@available(*, noasync)
func tree(of root: RootedDirectory) throws -> [String] {
    var lines: [String] = []
    var names: [UInt64: String] = [:]
    func visit(_ directory: OpenFile, _ prefix: String) throws {
        for name in try directoryEntries(of: directory) {
            guard let status = try directory.entryStatus(named: name) else { continue }
            let path = prefix + shown(name)
            var line = "\(path) \(status.type) \(String(status.mode, radix: 8)) "
            line += "\(status.modified.seconds).\(status.modified.nanoseconds)"
            switch status.type {
            case .directory:
                let child = try directory.openEntry(named: name, [.pathOnly, .directory])
                lines.append(line + (try attributes(child)))
                try visit(child, path + "/")
                continue
            case .regular:
                let file = try directory.openEntry(named: name, [.readOnly])
                line += " \(shown(try file.readToEnd()))" + (try attributes(file))
                if status.linkCount > 1 {
                    line += " = \(names[status.inode] ?? "first of \(status.linkCount)")"
                    names[status.inode] = names[status.inode] ?? path
                }
            case .symbolicLink: line += " -> " + shown(try directory.readLink(named: name))
            default: line += " \(status.deviceMajor):\(status.deviceMinor)"
            }
            lines.append(line)
        }
    }
    try visit(root.directory, "")
    return lines
}

@available(*, noasync)
private func attributes(_ file: OpenFile) throws -> String {
    try file.extendedAttributes().filter { $0.name.starts(with: Array("user.".utf8)) }
        .map { " \(shown($0.name))=\(shown($0.value))" }.joined()
}

/// Bytes as text of which each is one; long ones by their count.
private func shown(_ bytes: [UInt8]) -> String {
    if bytes.count > 1_000 { return "(\(bytes.count) bytes, \(bytes.reduce(0) { $0 &* 31 &+ Int($1) }))" }
    return bytes.map { (0x20..<0x7f).contains($0) ? String(UnicodeScalar($0)) : "\\\($0)" }.joined()
}
