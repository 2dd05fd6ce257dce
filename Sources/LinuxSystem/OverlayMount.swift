internal import CLinux
internal import Glibc
package import SystemPackage

/// An overlay file system to be mounted: read-only layers and, for a writable one, a directory that takes the changes.
///
/// Redirects and metadata-only copies are off whatever the kernel's defaults are: a layer that carries such attributes
/// must not re-map directories of the layers below it. See the kernel's Documentation/filesystems/overlayfs.rst.
package struct OverlayMount: Sendable {
    /// The most lower layers one mount takes (the kernel's OVL_MAX_STACK).
    package static let maximumLayers = 500

    /// The read-only layers, the topmost first.
    package var lower: [FilePath]
    /// Where changes go, with an empty directory of the same file system for the kernel's own use; nil for a read-only view.
    package var writable: (upper: FilePath, work: FilePath)?
    /// Attributes in `user.overlay.*` rather than `trusted.overlay.*`: needed without CAP_SYS_ADMIN in the first user namespace.
    package var usesUserAttributes = false
    /// Leaves out every flush to disk, programs' own fsync(2) included: for changes that a crash may lose as a whole.
    package var isVolatile = false
    /// Refuses (`EBUSY`) an upper directory that another live overlay still holds.
    package var claimsUpperExclusively = false

    package init(lower: [FilePath], writable: (upper: FilePath, work: FilePath)? = nil) {
        self.lower = lower
        self.writable = writable
    }

    /// Creates the mount. A read-only view needs at least two layers (the kernel's rule): bind one, or add an empty one.
    ///
    /// - Throws: `EINVAL` for more than `maximumLayers`; `EBUSY` as `claimsUpperExclusively` says.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func mount() throws(SystemCallError) -> DetachedMount {
        do throws(SystemCallError) {
            return try mount(layersOneByOne: true)
        } catch {
            // Before 6.5 there is no `lowerdir+`, only one string (with escapes, and at most a page of it).
            guard error.call.hasPrefix("fsconfig lowerdir+"), error.errno == .invalidArgument,
                lower.count <= Self.maximumLayers
            else { throw error }
            return try mount(layersOneByOne: false)
        }
    }

    private func mount(layersOneByOne: Bool) throws(SystemCallError) -> DetachedMount {
        let context = try MountContext("overlay")
        if layersOneByOne {
            for layer in lower { try context.set("lowerdir+", layer) }
        } else {
            var text: [UInt8] = []
            for layer in lower {
                if !text.isEmpty { text.append(UInt8(ascii: ":")) }
                for byte in layer.bytes {
                    if byte == UInt8(ascii: ":") || byte == UInt8(ascii: "\\") { text.append(UInt8(ascii: "\\")) }
                    text.append(byte)
                }
            }
            try context.set("lowerdir", FilePath(bytes: text))
        }
        if let writable {
            try context.set("upperdir", writable.upper)
            try context.set("workdir", writable.work)
            try context.set("index", claimsUpperExclusively ? "on" : "off")
            if isVolatile { try context.set(flag: "volatile") }
        }
        if usesUserAttributes {
            // The kernel refuses `userxattr` together with an explicit redirect_dir or metacopy: it implies both are off.
            try context.set(flag: "userxattr")
        } else {
            try context.set("redirect_dir", "nofollow")
            try context.set("metacopy", "off")
        }
        return try context.create(attributes: writable == nil ? slipway_MOUNT_ATTR_RDONLY : 0)
    }
}
