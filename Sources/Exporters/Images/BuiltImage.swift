package import LinuxSystem
package import OCI
package import Snapshots

/// What was built for one platform.
package struct BuiltImage: Sendable {
    /// Without the layers that were made, and without times of its own steps.
    package internal(set) var configuration: ImageConfiguration
    /// The configuration of the image that it goes on from.
    package let base: ImageConfiguration?
    package let tree: FileTree
    /// The time that the build says it is of (`SOURCE_DATE_EPOCH`).
    package let time: FileTime?
    /// The bytes of the finished configuration; an inline cache goes into them.
    package var encode: @Sendable (ImageConfiguration) throws -> [UInt8] = { try StrictJSON.encode($0) }
    /// What is said of it.
    package var attestations: [BuiltAttestation] = []

    /// - Parameters:
    ///   - configuration: without the layers that were made, and without times of its own steps.
    ///   - base: the configuration of the image that it goes on from.
    ///   - tree: the files.
    ///   - time: the time that the build says it is of.
    package init(
        configuration: ImageConfiguration,
        base: ImageConfiguration?,
        tree: FileTree,
        time: FileTime? = nil
    ) {
        self.configuration = configuration
        self.base = base
        self.tree = tree
        self.time = time
    }

    package var platform: Platform { configuration.platform.normalized }

    /// The same with the configuration that an output has for it.
    func configured(_ options: ImageOptions) -> BuiltImage {
        guard let configuration = options.configurations[platform] ?? options.configurations[nil] else { return self }
        var image = self
        image.configuration = configuration
        return image
    }

    /// Where its files go among those of other platforms: `linux_arm64`.
    var directory: String { platform.description.replacing("/", with: "_") }

    /// The time that an output says nothing may be later than.
    func epoch(_ asked: ExportEpoch?) -> FileTime? {
        switch asked {
        case nil: time
        case .some(.none): nil
        case .time(let time)?: time
        }
    }
}
