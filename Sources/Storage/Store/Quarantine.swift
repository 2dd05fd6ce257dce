internal import LinuxSystem
internal import SystemPackage

/// Where things of a store are that nothing refers to, or that are damaged, until somebody has had time to look at them.
///
///     quarantine/<time>/<directory>-<name>
struct Quarantine: Sendable {
    /// How long things are kept: a week.
    private static let seconds: Int64 = 7 * 86_400

    private let directory: FilePath

    init(layout: StoreLayout) { directory = layout.quarantine }

    /// Moves something of the store there, and returns where it is then.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    @discardableResult
    func take(_ path: FilePath) throws(SystemCallError) -> FilePath {
        let place = directory.appending("\(currentTime())")
        try HostFiles.createDirectory(directory, mode: 0o700)
        try HostFiles.createDirectory(place, mode: 0o700)
        let name = [path.removingLastComponent().lastComponent?.string, path.lastComponent?.string]
            .compactMap(\.self).joined(separator: "-")
        var target = place.appending(name)
        var number = 1
        while try HostFiles.status(of: target) != nil {
            target = place.appending("\(name).\(number)")
            number += 1
        }
        try HostFiles.rename(path, to: target)
        return target
    }

    /// Removes what has been there for long or, where `all`, everything.
    /// - Returns: how many bytes that gave back.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    @discardableResult
    func clear(all: Bool = false) throws -> Int64 {
        guard try HostFiles.status(of: directory) != nil else { return 0 }
        let limit = currentTime() - Self.seconds
        var bytes: Int64 = 0
        for name in try HostFiles.entries(of: directory) {
            guard let time = Int64(String(decoding: name, as: UTF8.self)), all || time < limit else { continue }
            let place = directory.appending("\(time)")
            // Another process may be faster.
            bytes += (try? Store.size(of: try RootedDirectory(place))) ?? 0
            try removeTree(place)
        }
        return bytes
    }
}

extension Store {
    /// Removes everything that was set aside, for those who need the space.
    /// - Returns: how many bytes that gave back.
    package func emptyQuarantine() async throws -> Int64 {
        try await onBlockingPool { [layout] in try Quarantine(layout: layout).clear(all: true) }
    }
}
