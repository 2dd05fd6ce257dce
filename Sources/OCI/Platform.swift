import Text

/// An operating system and processor that an image is for, with names as Go and the OCI specification spell them.
package struct Platform: Hashable, Sendable, Codable, CustomStringConvertible {
    package var architecture: String
    package var os: String
    package var variant: String?
    package var osVersion: String?
    package var osFeatures: [String]?

    private enum CodingKeys: String, CodingKey {
        case architecture, os, variant
        case osVersion = "os.version"
        case osFeatures = "os.features"
    }

    package init(os: String, architecture: String, variant: String? = nil) {
        self.os = os
        self.architecture = architecture
        self.variant = variant
    }

    /// The platform this program runs on.
    package static var current: Platform {
        #if arch(x86_64)
            Platform(os: "linux", architecture: "amd64")
        #elseif arch(arm64)
            Platform(os: "linux", architecture: "arm64")
        #else
            #error("Slipway supports x86_64 and arm64")
        #endif
    }

    /// Parses `os/architecture[/variant]`, `os` or `architecture`, with the spellings docker accepts.
    ///
    /// The operating system may have its version in parentheses, which matters for Windows.
    /// - Throws: `OCIError.invalidPlatform`, `.invalidPlatformComponent`.
    package init(parsing text: String) throws(OCIError) {
        guard let open = text.firstIndex(of: "("), let close = text.firstIndex(of: ")"), open < close else {
            try self.init(parsingWithoutVersion: text)
            return
        }
        let version = text[text.index(after: open)..<close]
        guard text[..<open].firstIndex(of: "/") == nil, Self.isName(version) else {
            throw .invalidPlatform(text, reason: "a version in parentheses stands after the operating system")
        }
        try self.init(parsingWithoutVersion: String(text[..<open] + text[text.index(after: close)...]))
        osVersion = String(version)
    }

    private static func isName(_ part: some StringProtocol) -> Bool {
        !part.isEmpty
            && part.utf8.allSatisfy { byte in
                ("a"..."z").contains(byte | 0x20)
                    || ("0"..."9").contains(byte) || "_.-".utf8.contains(byte)
            }
    }

    private init(parsingWithoutVersion text: String) throws(OCIError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { $0.lowercased() }
        guard (1...3).contains(parts.count) else {
            throw .invalidPlatform(text, reason: "expected os/architecture[/variant]")
        }
        if let odd = parts.first(where: { !Self.isName($0) }) {
            throw .invalidPlatformComponent("\(odd)", of: text)
        }
        if parts.count == 1 {
            if Self.knownSystems.contains(parts[0]) {
                self = Platform.current
                os = parts[0] == "macos" ? "darwin" : parts[0]
                return
            }
            let normal = Self.normalize(architecture: parts[0], variant: nil)
            guard Self.knownArchitectures.contains(normal.architecture) else {
                throw .invalidPlatform(text, reason: "unknown operating system or architecture")
            }
            self.init(os: Platform.current.os, architecture: normal.architecture, variant: normal.variant)
            return
        }
        let normal = Self.normalize(architecture: parts[1], variant: parts.count == 3 ? parts[2] : nil)
        self.init(
            os: parts[0] == "macos" ? "darwin" : parts[0],
            architecture: normal.architecture,
            variant: normal.variant
        )
    }

    /// `os[(version)]/architecture[/variant]`.
    package var description: String {
        os + (osVersion.map { "(\($0))" } ?? "") + "/" + architecture + (variant.map { "/\($0)" } ?? "")
    }

    /// The same platform in the spelling that images use: `x86_64` is `amd64`, `arm64/v8` is `arm64`.
    package var normalized: Platform {
        var copy = self
        (copy.architecture, copy.variant) = Self.normalize(
            architecture: architecture.lowercased(),
            variant: variant?.lowercased()
        )
        return copy
    }

    /// Whether an image for `other` may run where this platform is asked for.
    ///
    /// A 32-bit ARM request accepts older variants, as containerd's matcher does.
    package func accepts(_ other: Platform) -> Bool {
        let wanted = normalized
        let offered = other.normalized
        guard wanted.os == offered.os, wanted.architecture == offered.architecture else { return false }
        // Images of Windows run on one version; elsewhere the version says nothing.
        if wanted.os == "windows", let version = wanted.osVersion, let other = offered.osVersion, version != other {
            return false
        }
        if wanted.architecture == "arm" {
            return Self.armVersion(offered.variant) <= Self.armVersion(wanted.variant)
        }
        return wanted.variant == offered.variant || offered.variant == nil
    }

    private static func armVersion(_ variant: String?) -> Int { variant.flatMap { Int($0.dropFirst()) } ?? 7 }

    private static func normalize(architecture: String, variant: String?) -> (architecture: String, variant: String?) {
        switch (architecture, variant) {
        case ("x86_64", let variant), ("x86-64", let variant), ("amd64", let variant):
            ("amd64", variant == "v1" ? nil : variant)
        case ("aarch64", let variant), ("arm64", let variant):
            ("arm64", variant == "8" || variant == "v8" ? nil : variant)
        case ("armhf", _): ("arm", "v7")
        case ("armel", _): ("arm", "v6")
        case ("arm", nil), ("arm", "7"): ("arm", "v7")
        case ("arm", "5"), ("arm", "6"), ("arm", "8"): ("arm", variant.map { "v\($0)" })
        case ("i386", let variant), ("i486", let variant), ("i686", let variant): ("386", variant)
        default: (architecture, variant)
        }
    }

    private static let knownSystems: Set<String> = [
        "linux", "windows", "darwin", "macos", "freebsd", "netbsd", "openbsd", "solaris", "wasip1", "js",
    ]

    private static let knownArchitectures: Set<String> = [
        "amd64", "arm64", "arm", "386", "ppc64", "ppc64le", "s390x", "riscv64", "loong64", "mips", "mipsle", "mips64",
        "mips64le", "wasm",
    ]
}
