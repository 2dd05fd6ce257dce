internal import Glibc
package import SystemPackage
internal import Text

/// Where to find a program.
package enum Program: Sendable, Hashable {
    /// A file, whatever PATH says.
    case path(FilePath)
    /// A name looked up in the PATH of the process that starts it.
    case named(String)

    /// The file to execute.
    /// - Throws: `ProgramNotFound`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func resolve() throws(ProgramNotFound) -> FilePath {
        switch self {
        case .path(let path):
            guard Self.isExecutable(path) else { throw ProgramNotFound(name: path.string) }
            return path
        case .named(let name):
            guard !name.utf8.contains("/") else { return try Program.path(FilePath(name)).resolve() }
            for directory in Self.searchPath {
                let candidate = directory.appending(name)
                if Self.isExecutable(candidate) { return candidate }
            }
            throw ProgramNotFound(name: name)
        }
    }

    /// PATH, and then where Debian keeps what only root and other programs call.
    private static var searchPath: [FilePath] {
        let text =
            getenv("PATH").map { String(cString: $0) } ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        let extra = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/podman", "/usr/libexec/podman"]
        return (text.split(separator: ":").map(String.init) + extra).map { FilePath($0) }
    }

    private static func isExecutable(_ path: FilePath) -> Bool {
        var status = stat()
        return path.withPlatformString {
            stat($0, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access($0, X_OK) == 0
        }
    }
}

/// A program that Slipway needs and this machine does not have.
package struct ProgramNotFound: Error, Hashable, CustomStringConvertible {
    package let name: String

    package init(name: String) { self.name = name }

    /// The Debian package that has the program, where Slipway knows it.
    package var debianPackage: String? {
        switch FilePath(name).lastComponent?.string {
        case "crun": "crun"
        case "runc": "runc"
        case "conmon": "conmon"
        case "netavark": "netavark"
        case "aardvark-dns": "aardvark-dns"
        case "iptables", "iptables-nft", "iptables-legacy", "ip6tables": "iptables"
        case "git": "git"
        case "gpgv": "gpgv"
        case "ssh-keygen": "openssh-client"
        case "newuidmap", "newgidmap": "uidmap"
        case "pasta": "passt"
        case "slirp4netns": "slirp4netns"
        case "fuse-overlayfs": "fuse-overlayfs"
        case "docker-credential-pass", "docker-credential-secretservice": "golang-docker-credential-helpers"
        default: nil
        }
    }

    package var description: String {
        let problem = "exec: \"\(name)\": executable file not found"
        guard let debianPackage else { return problem + " in $PATH" }
        return problem + " (install it with: apt-get install \(debianPackage))"
    }
}
