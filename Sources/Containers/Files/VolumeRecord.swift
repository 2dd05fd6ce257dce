package import LinuxSystem
package import SystemPackage

/// A directory that the store keeps for containers, as `volume inspect` shows it.
package struct VolumeRecord: Sendable, Hashable {
    package let name: String
    package let labels: [String: String]
    package let created: FileTime
    /// Where its content is.
    package let content: FilePath

    /// Docker's label of volumes without a name of their own.
    package static let anonymousLabel = "com.docker.volume.anonymous"

    /// Volumes of earlier versions have no labels, but those without a name of their own have the form of an id.
    package var isAnonymous: Bool {
        labels[Self.anonymousLabel] != nil
            || labels.isEmpty && name.utf8.count == 64 && name.allSatisfy { $0.isHexDigit && !$0.isUppercase }
    }
}

/// What is kept of a volume beside its content.
struct VolumeDocument: Codable {
    var labels: [String: String] = [:]
    /// Seconds since 1970.
    var created: Int64
}
