package import OCI
internal import Text

/// A package URL (purl) of an image: how attestations name images.
///
/// See the purl specification; BuildKit's form is kept to the letter, because readers compare it.
package struct PackageAddress: Hashable, Sendable, CustomStringConvertible {
    /// Where an image came from.
    package enum Kind: String, Sendable {
        /// From a registry.
        case docker
        /// From a layout directory.
        case oci
    }

    package let kind: Kind
    package let image: ImageReference
    package let platform: Platform?
    package var content = Content.image

    /// What is named.
    package enum Content: Hashable, Sendable {
        case image
        /// One blob of the repository.
        case blob
        /// A blob that is a bundle of the git repository with this address.
        case bundle(of: String)
    }

    package init(_ image: ImageReference, platform: Platform? = nil, kind: Kind = .docker) {
        self.kind = kind
        self.image = image
        self.platform = platform
    }

    package var description: String {
        let parts = image.familiarRepository.split(separator: "/").map { Self.escaped($0, keeping: "") }
        var text = "pkg:\(kind.rawValue)/\(parts.joined(separator: "/"))"
        let tag = image.tag ?? (image.digest == nil ? ImageReference.defaultTag : nil)
        if let tag { text += "@" + Self.escaped(tag, keeping: Self.pathMarks) }
        var qualifiers: [String] = []
        if let digest = image.digest { qualifiers.append("digest=\(digest)") }
        if let platform = platform?.normalized {
            // A version of the system is no part of it.
            let names = [platform.os, platform.architecture] + (platform.variant.map { [$0] } ?? [])
            let name = names.joined(separator: "/")
            qualifiers.append("platform=" + Self.escaped(name, keeping: Self.pathMarks))
        }
        switch content {
        case .image: break
        case .blob: qualifiers.append("ref_type=blob")
        case .bundle(let address):
            qualifiers += ["ref_type=bundle", "vcs_url=" + Self.escaped(address, keeping: Self.pathMarks)]
        }
        return text + (qualifiers.isEmpty ? "" : "?" + qualifiers.joined(separator: "&"))
    }

    /// What Go's `url.PathEscape` keeps besides letters and digits.
    private static let pathMarks = "$&+=:@"

    private static func escaped(_ text: some StringProtocol, keeping marks: String) -> String {
        let kept = Array("-_.~".utf8) + Array(marks.utf8)
        var result = ""
        for byte in text.utf8 {
            let lower = byte | 0x20
            let isPlain = ("a"..."z").contains(lower) || ("0"..."9").contains(byte) || kept.contains(byte)
            if isPlain {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                result += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return result
    }
}
