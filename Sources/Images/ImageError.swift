internal import LinuxSystem
package import OCI
package import SystemPackage
internal import Text

/// Why something could not be done with local images, in docker's words where its users know them.
package enum ImageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Nothing in the store has this name or id.
    case noSuchImage(String)
    /// An id prefix that several images share.
    case ambiguousPrefix(String, matches: [Digest])
    /// The image of a name is for another platform.
    case otherPlatform(String, found: Platform, wanted: Platform)
    /// The image of several platforms of a name is for others only.
    case noSuchPlatform(String, available: [Platform], wanted: Platform)
    /// A name is the last of an image that a container uses.
    case nameInUse(String, container: String, image: Digest)
    /// An image that something still needs. `isHard` conflicts cannot be overridden.
    case conflict(Digest, isHard: Bool, reason: String)
    /// A new name with a digest, or without anything to name.
    case cannotTag(String, reason: String)
    case invalidFilter(String)
    case invalidFilterValue(filter: String, value: String, reason: String)
    /// The configuration speaks of other layers than there are.
    case layersDoNotMatch(image: Digest, reason: String)
    /// An archive that holds no images or contradicts itself.
    case invalidArchive(reason: String)
    /// A layout directory that lacks or contradicts something.
    case invalidLayout(FilePath, reason: String)
    case invalidPattern(String)

    package var description: String {
        switch self {
        case .noSuchImage(let name): "No such image: \(name)"
        case .ambiguousPrefix(let prefix, let matches):
            "image id prefix \"\(prefix)\" is ambiguous: it begins \(matches.map(\.short).joined(separator: ", ")); use more digits"
        case .otherPlatform(let name, let found, let wanted):
            "image with reference \(name) was found but its platform (\(found)) does not match the specified platform (\(wanted))"
        case .noSuchPlatform(let name, let available, let wanted):
            "image with reference \(name) was found but does not provide the specified platform (\(wanted)); it has "
                + available.map(\.description).joined(separator: ", ")
        case .nameInUse(let name, let container, let image):
            "conflict: unable to remove repository reference \"\(name)\" (must force) - container \(container.prefix(12)) "
                + "is using its referenced image \(image.short)"
        case .conflict(let image, let isHard, let reason):
            "conflict: unable to delete \(image.short) (\(isHard ? "cannot be forced" : "must be forced")) - \(reason)"
        case .cannotTag(let name, let reason): "cannot tag as \"\(name)\": \(reason)"
        case .invalidFilter(let name): "invalid filter '\(name)'"
        case .invalidFilterValue(let filter, let value, let reason):
            "invalid value for '\(filter)' filter: \"\(value)\": \(reason)"
        case .layersDoNotMatch(let image, let reason):
            "the configuration of image \(image.short) does not match its layers: \(reason)"
        case .invalidArchive(let reason): "invalid archive: \(reason)"
        case .invalidLayout(let path, let reason): "invalid OCI layout \(escapedForDisplay(path.bytes)): \(reason)"
        case .invalidPattern(let pattern): "syntax error in pattern \"\(pattern)\""
        }
    }
}
