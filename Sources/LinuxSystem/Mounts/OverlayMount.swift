internal import CLinux
internal import Glibc
internal import Synchronization
package import SystemPackage
internal import Text

/// In which extended attributes an overlay file system keeps what it says of its layers' directories.
package enum OverlayAttributes: Sendable, Hashable {
    /// `trusted.overlay.*`, which root of the machine alone can write.
    case trusted
    /// `user.overlay.*`, which root of a user namespace can write as well.
    case user

    /// What hides the directories of the layers below: its value is `y`.
    package var opaque: [UInt8] {
        switch self {
        case .trusted: "trusted.overlay.opaque"
        case .user: "user.overlay.opaque"
        }
    }
}

/// An overlay file system to be mounted: read-only layers and, for a writable one, a directory that takes the changes.
///
/// Redirects and metadata-only copies are off whatever the kernel's defaults are: a layer that carries such attributes
/// must not re-map directories of the layers below it. See the kernel's Documentation/filesystems/overlayfs.rst.
///
/// All options together must fit a page, and the kernel splits their text at `:` and `,`. So the directories are given as short
/// names, `0:1:2…`: links in a directory in memory, which is the working directory of the thread that calls mount(2). Any path
/// will do then, and any number of layers that the kernel takes, old ones like Debian 12's included. (`lowerdir+` of fsconfig(2)
/// came after Linux 6.1, and it refuses a path of more than 255 bytes.)
package struct OverlayMount: Sendable {
    /// The most lower layers one mount takes (the kernel's OVL_MAX_STACK).
    package static let maximumLayers = 500

    /// The read-only layers, the topmost first.
    package var lower: [FilePath]
    /// Where changes go, with an empty directory of the same file system for the kernel's own use; nil for a read-only view.
    package var writable: (upper: FilePath, work: FilePath)?
    package var attributes = OverlayAttributes.trusted
    /// Leaves out every flush to disk, programs' own fsync(2) included: for changes that a crash may lose as a whole.
    package var isVolatile = false
    /// Refuses (`EBUSY`) an upper directory that another live overlay still holds.
    package var claimsUpperExclusively = false

    package init(lower: [FilePath], writable: (upper: FilePath, work: FilePath)? = nil) {
        self.lower = lower
        self.writable = writable
    }

    /// Mounts at a directory of the host.
    ///
    /// A read-only view needs at least two layers (the kernel's rule): bind one, or add an empty one.
    ///
    /// - Throws: `EINVAL` for more than `maximumLayers`; `EBUSY` as `claimsUpperExclusively` says.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func attach(at target: FilePath) throws(SystemCallError) {
        guard lower.count <= Self.maximumLayers else {
            throw SystemCallError("mount of an overlay", path: target, errno: .invalidArgument)
        }
        let links = try DetachedMount.tmpfs()
        let names = RootedDirectory(directory: links.file)
        for (index, layer) in lower.enumerated() {
            try names.createSymbolicLink(FilePath("\(index)"), target: layer.bytes)
        }
        if let writable {
            try names.createSymbolicLink("upper", target: writable.upper.bytes)
            try names.createSymbolicLink("work", target: writable.work.bytes)
        }
        let outcome = Mutex<SystemCallError?>(nil)
        // A thread of its own: a working directory apart from the other threads' is for good.
        let thread = try JoinableThread { [options, isReadOnly = writable == nil] in
            do throws(SystemCallError) {
                _ = try retryingSystemCall("unshare") { slipway_unshare(slipway_CLONE_FS) }
                _ = try retryingSystemCall("fchdir", path: links.file.path) { fchdir(links.file.descriptor) }
                _ = try retryingSystemCall("mount of an overlay", path: target) {
                    target.withPlatformString { slipway_mount("overlay", $0, isReadOnly ? 1 : 0, options) }
                }
            } catch {
                outcome.withLock { $0 = error }
            }
        }
        thread.join()
        if let error = outcome.withLock({ $0 }) { throw error }
    }

    private var options: String {
        var options = ["lowerdir=" + lower.indices.map { "\($0)" }.joined(separator: ":")]
        if writable != nil {
            options += ["upperdir=upper", "workdir=work", "index=\(claimsUpperExclusively ? "on" : "off")"]
            if isVolatile { options.append("volatile") }
        }
        // The kernel refuses `userxattr` together with an explicit redirect_dir or metacopy: it implies both are off.
        options += attributes == .user ? ["userxattr"] : ["redirect_dir=nofollow", "metacopy=off"]
        return options.joined(separator: ",")
    }
}
