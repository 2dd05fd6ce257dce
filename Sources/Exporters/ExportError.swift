package import LinuxSystem
package import OCI
package import SystemPackage
internal import Text

/// Why a result cannot be written where it should go, or not in the way that is asked for.
package enum ExportError: Error, Hashable, CustomStringConvertible {
    case deviceNode(FilePath)
    /// A file that two platforms have and that would go to one place.
    case overlap(FilePath, first: String, second: String)
    case destinationIsTerminal
    case refused(FilePath, reason: String, SystemCallError)
    /// An archive of docker's kind holds the image of one platform.
    case dockerArchiveOfSeveral
    case pushNeedsName
    /// A name with a tag where a name without one is wanted.
    case pushByDigestOfTag(String)
    /// A place where an image's layout should be and something else is.
    case layoutIsFile(FilePath)
    case layoutIsLocked(FilePath)
    case layoutIndex(FilePath, reason: String)
    /// What was written is not what its digest says.
    case damagedBlob(Digest)

    case unsupported(option: String, output: String)
    case notBoolean(option: String, value: String)
    case notInteger(option: String, value: String)
    case unknownCompression(String)
    case compressionLevel(format: String, level: Int, highest: Int)
    case invalidTime(option: String, value: String)
    case invalidMode(String)
    /// An option, with its value, and what it does not go with.
    case conflict(option: String, other: String)

    case annotation(String)
    case annotationType(String)
    case unknownAnnotationType(String)
    case attributeAnnotationType(String)
    case annotationPlatform(String, reason: String)
    case annotationPlatformNotBuilt(String)
    case indexAnnotationsOfOne
    case dockerAnnotations

    case dockerAttestations
    /// An attestation of a frontend that cannot be taken.
    case attestation(reason: String)

    package var description: String {
        switch self {
        case .deviceNode(let path):
            "failed to export /\(escapedForDisplay(path.bytes)): device nodes cannot be made here, which needs root; remove it in the Dockerfile or export an image"
        case .overlap(let path, let first, let second):
            "cannot overwrite \(escapedForDisplay(path.bytes)) from \(first) with \(second) when split option is disabled"
        case .destinationIsTerminal:
            "refusing to write an archive to the terminal; redirect standard output or name a file with dest="
        case .refused(let path, let reason, _): "failed to export \(escapedForDisplay(path.bytes)): \(reason)"
        case .dockerArchiveOfSeveral: "docker exporter does not currently support exporting manifest lists"
        case .pushNeedsName: "tag is needed when pushing to registry; name the image with -t"
        case .pushByDigestOfTag(let name): "can't push tagged ref \(name) by digest; give the name without a tag"
        case .layoutIsFile(let path): "destination directory \(escapedForDisplay(path.bytes)) is a file"
        case .layoutIsLocked(let path):
            "could not lock \(escapedForDisplay(path.bytes)): another build is writing to this directory"
        case .layoutIndex(let path, let reason): "could not read \(escapedForDisplay(path.bytes)): \(reason)"
        case .damagedBlob(let digest):
            "the content of \(digest) has changed while it was written; run \"slipway system check\""
        case .unsupported(let option, let output):
            "the output option \"\(option)\" is not supported by outputs of type \(output)"
        case .notBoolean(let option, let value):
            "non-bool value specified for \(option): strconv.ParseBool: parsing \"\(value)\": invalid syntax"
        case .notInteger(let option, let value): "non-integer value \(value) specified for \(option)"
        case .unknownCompression(let name):
            "unsupported compression type \(name); use uncompressed, gzip, estargz or zstd"
        case .compressionLevel(let format, let level, let highest):
            "\(format): invalid compression level: \(level); use 0 to \(highest)"
        case .invalidTime(let option, let value):
            "invalid \(option): \(value) is not a number of seconds since 1970"
        case .invalidMode(let mode): "invalid local exporter mode \"\(mode)\"; use copy or delete"
        case .conflict(let option, let other): "exporter option \"\(option)\" conflicts with \"\(other)\""
        case .annotation(let text): "invalid annotation \"\(text)\", expected key=value"
        case .annotationType(let text):
            "invalid annotation type \"\(text)\", expected type and optional platform in square brackets"
        case .unknownAnnotationType(let type):
            "unknown annotation type \"\(type)\"; use manifest, manifest-descriptor, index or index-descriptor"
        case .attributeAnnotationType(let type):
            "unrecognized annotation type \(type); use manifest, manifest-descriptor, index or index-descriptor"
        case .annotationPlatform(let text, let reason): "invalid platform \"\(text)\": \(reason)"
        case .annotationPlatformNotBuilt(let platform):
            "invalid annotation: no platform \(platform) found in source; add it to --platform"
        case .indexAnnotationsOfOne: "index annotations not supported for single platform export"
        case .dockerAttestations: "cannot export attestations with \"oci-mediatypes=false\""
        case .attestation(let reason): reason
        case .dockerAnnotations: "cannot export annotations with \"oci-mediatypes=false\""
        }
    }
}

extension ExportError {
    /// Whether the place refuses what is exported, or what is asked of it cannot be had: nothing is wrong with the
    /// options themselves.
    package var isRefusal: Bool {
        switch self {
        case .refused, .dockerArchiveOfSeveral, .pushNeedsName, .pushByDigestOfTag: true
        default: false
        }
    }
}

extension ExportError: CausedError {
    package var cause: (any Error)? { if case .refused(_, _, let error) = self { error } else { nil } }
}
