package import LinuxSystem

/// Extracts a tar archive into a directory; nothing in the archive can lead out of it.
///
/// Every parent is looked up by the kernel with the directory as its root, so links resolve as they would in a chroot; the last
/// component is never followed. Metadata is applied to the very file that was made: owner, then mode, then attributes, then
/// times, the times of directories at the end. An entry replaces what is there, except a directory that meets a directory.
package struct LayerExtractor: Sendable {
    /// What the archive is.
    package enum Mode: Sendable, Hashable {
        /// A layer of an image, whose directory becomes one of overlayfs: whiteouts become 0:0 character devices, opaque
        /// marks the attribute. See the OCI image specification, layer.md, and the kernel's overlayfs.rst.
        case overlay
        /// The same for an overlayfs that a user namespace mounts: its marks are in other attributes.
        case userOverlay
        /// A layer of an image on a file system that cannot keep overlayfs's marks: whiteouts stay the empty files that the archive has.
        case marked
        /// An archive like any other; `.wh.` names mean nothing. With an owner, everything belongs to it. The directory itself keeps
        /// its owner, mode and time, whatever the archive says of `./`; a hard link's header counts for its file.
        case plain(owner: Owner?)

        /// Whether `.wh.` names mark what is gone.
        var isLayer: Bool {
            switch self {
            case .overlay, .userOverlay, .marked: true
            case .plain: false
            }
        }

        /// Where overlayfs's own marks go; nil for what is not one of its directories.
        var overlayAttributes: OverlayAttributes? {
            switch self {
            case .overlay: .trusted
            case .userOverlay: .user
            case .marked, .plain: nil
            }
        }
    }

    package struct Owner: Sendable, Hashable {
        package let user: UInt32
        package let group: UInt32

        package init(user: UInt32, group: UInt32) {
            self.user = user
            self.group = group
        }
    }

    /// What an extraction wrote.
    package struct Summary: Sendable, Hashable {
        package var entries: Int64 = 0
        /// Of file contents.
        package var bytes: Int64 = 0
        /// Names of attributes that were not taken over.
        package var droppedAttributes: Set<[UInt8]> = []
    }

    let root: RootedDirectory
    let mode: Mode
    let limits: ArchiveLimits
    /// Whether a directory is never replaced by anything else, nor anything else by a directory: as `cp` has it.
    package var keepsDirectories = false
    /// The namespace in which files get the owners that the archive says; nil for this process's own.
    package var identities: IdentityMaps?
    /// Asked between pieces of content; true ends the work with `CancellationError`.
    package var isCancelled: @Sendable () -> Bool = { false }

    package init(root: RootedDirectory, mode: Mode, limits: ArchiveLimits = ArchiveLimits()) {
        self.root = root
        self.mode = mode
        self.limits = limits
    }

    /// Extracts everything.
    /// - Parameters:
    ///   - source: the uncompressed archive.
    ///   - sums: takes down the sums of the files; nil where no one wants them.
    /// - Returns: how much was written, and what had to be left out.
    /// - Throws: `ArchiveError` that names the entry, `CancellationError`, or what the source throws.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func extract(_ source: any ByteSource, notingIn sums: FileSumRecorder? = nil) throws -> Summary {
        let extraction = Extraction(self, sums)
        try extraction.run(TarReader(source, limits: limits))
        return extraction.summary
    }
}
