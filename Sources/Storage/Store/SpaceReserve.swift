internal import LinuxSystem
internal import SystemPackage

/// A file of some megabytes that holds space for removing things: on a file system that is full to the last block, removing
/// needs a little space first.
struct SpaceReserve: Sendable {
    private let path: FilePath
    private let root: FilePath

    init(layout: StoreLayout) {
        path = layout.reserve
        root = layout.root
    }

    /// How much is held: 4 MiB, and less on a small file system.
    private static func size(_ space: FileSystemSpace) -> UInt64 {
        min(fullSize, max(256 << 10, space.totalBytes / 16))
    }

    /// The most that is held.
    private static let fullSize: UInt64 = 4 << 20

    /// Holds the space where there is plenty, if that is not done, or if what was left after a full disk is less.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func hold() {
        // A store works without it: on a disk that is nearly full, or of which nothing can be held.
        guard let status = try? HostFiles.status(of: path) else { return grow(from: 0) }
        if status.size < Self.fullSize { grow(from: UInt64(status.size)) }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func grow(from held: UInt64) {
        guard let space = try? FileSystemSpace(at: root) else { return }
        let size = Self.size(space)
        guard held < size, space.availableBytes > 4 * size else { return }
        if held > 0 { _ = try? HostFiles.remove(path) }
        allocate(size)
    }

    /// Holds again what is left after something was done with the space.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func holdRest() {
        guard let present = try? HostFiles.status(of: path) == nil, present, let space = try? FileSystemSpace(at: root)
        else { return }
        // What a file system keeps back for root is there for root, and is not counted as available.
        var size = Self.size(space)
        while size >= 64 << 10, !allocate(size) { size /= 2 }
    }

    @discardableResult
    private func allocate(_ size: UInt64) -> Bool {
        do {
            let file = try OpenFile.open(path, [.readWrite, .createNew, .noFollow], mode: 0o600)
            try file.changeMode(0o600)
            try file.allocate(Int64(size))
            return true
        } catch {
            _ = try? HostFiles.remove(path)
            return false
        }
    }

    /// Gives the space up where there is next to none besides.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func giveUpIfNeeded() {
        guard let space = try? FileSystemSpace(at: root), space.availableBytes < Self.size(space) else { return }
        _ = try? HostFiles.remove(path)
    }
}
