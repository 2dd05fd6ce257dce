import DockerfileSyntax
import LinuxSystem
import SystemPackage
internal import Text

/// The build context of a request: an open directory, out of which no path leads.
struct ContextDirectory: Sendable {
    let path: FilePath
    let root: RootedDirectory

    /// The text of a Dockerfile or an ignore file with the name that messages give it.
    struct File: Sendable {
        let name: String
        let bytes: [UInt8]
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(_ path: FilePath) throws {
        do throws(SystemCallError) {
            root = try RootedDirectory(path)
        } catch {
            switch error.errno {
            case .noSuchFileOrDirectory: throw BuildError.contextNotFound(path)
            case .notDirectory: throw BuildError.contextIsNoDirectory(path)
            default: throw error
            }
        }
        self.path = path
    }

    /// Reads the Dockerfile.
    /// - Throws: `BuildError` where there is none, or it is no file that can be read.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func readDockerfile(at location: DockerfileLocation) throws -> File {
        switch location {
        case .content(let bytes):
            return File(name: "Dockerfile", bytes: bytes)
        case .offered(_, "Dockerfile"), .graph(_, "Dockerfile"): return try readDockerfile(at: .default)
        case .inContext(let path), .offered(_, let path), .graph(_, let path):
            let name = path.shownName ?? "Dockerfile"
            let shown = escapedForDisplay(path.bytes)
            let file = try opened(shown) { () throws(SystemCallError) in try root.open(path, [.readOnly, .nonBlocking])
            }
            return File(name: name, bytes: try content(of: file, name: shown))
        case .file(let path):
            let name = path.shownName ?? "Dockerfile"
            let shown = escapedForDisplay(path.bytes)
            let file = try opened(shown) { () throws(SystemCallError) in
                try OpenFile.open(path, [.readOnly, .nonBlocking])
            }
            return File(name: name, bytes: try content(of: file, name: shown))
        case .default, .address:
            for name in ["Dockerfile", "dockerfile"] {
                if let file = try present({ () throws(SystemCallError) in
                    try root.open(FilePath(name), [.readOnly, .nonBlocking])
                }) {
                    return File(name: name, bytes: try content(of: file, name: name))
                }
            }
            throw BuildError.dockerfileNotFound("Dockerfile")
        }
    }

    /// Reads the ignore file that goes with a Dockerfile: the one beside it (`<name>.dockerignore`), else the context's own.
    ///
    /// As in BuildKit, something of such a name that is no file is passed over, and the one beside a `dockerfile` that no `-f` names
    /// is called `Dockerfile.dockerignore` too.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func readIgnoreFile(for location: DockerfileLocation) throws -> File? {
        let own = FilePath(".dockerignore")
        switch location {
        case .file(let path):
            let name = (path.shownName ?? "") + ".dockerignore"
            let beside = FilePath(bytes: path.bytes + ".dockerignore")
            if let file = try ignoreFile(
                name,
                { () throws(SystemCallError) in
                    try OpenFile.open(beside, [.readOnly, .nonBlocking])
                }
            ) {
                return file
            }
        case .default: if let file = try readIgnoreFile(besides: "Dockerfile") { return file }
        case .content, .inContext, .address, .offered, .graph: break
        }
        return try ignoreFile(own.string) { () throws(SystemCallError) in try root.open(own, [.readOnly, .nonBlocking])
        }
    }

    /// Reads the ignore file that belongs to a Dockerfile of this directory.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func readIgnoreFile(besides dockerfile: FilePath) throws -> File? {
        let path = FilePath(bytes: dockerfile.bytes + ".dockerignore")
        return try ignoreFile(path.shownName ?? "") { () throws(SystemCallError) in
            try root.open(path, [.readOnly, .nonBlocking])
        }
    }

    private func ignoreFile(_ name: String, _ open: () throws(SystemCallError) -> OpenFile) throws -> File? {
        guard let file = try present(open), try file.status().type == .regular else { return nil }
        return File(name: name, bytes: try content(of: file, name: name))
    }

    private func opened(_ name: String, _ open: () throws(SystemCallError) -> OpenFile) throws -> OpenFile {
        do throws(SystemCallError) { return try open() } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory {
                throw BuildError.dockerfileNotFound(name)
            }
            throw error
        }
    }

    private func present(_ open: () throws(SystemCallError) -> OpenFile) throws -> OpenFile? {
        do throws(SystemCallError) { return try open() } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return nil }
            throw error
        }
    }

    /// A FIFO or a device of that name would never end, so only regular files are read (A11).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func content(of file: OpenFile, name: String) throws -> [UInt8] {
        guard try file.status().type == .regular else { throw BuildError.dockerfileIsNoFile(name) }
        do throws(SystemCallError) {
            return try file.readToEnd(limit: Dockerfile.maximumSize)
        } catch {
            if error.errno == .fileTooLarge { throw BuildError.dockerfileTooLarge(name, limit: Dockerfile.maximumSize) }
            throw error
        }
    }
}

extension FilePath {
    /// The last component as a person may see it.
    var shownName: String? { lastComponent.map { escapedForDisplay(FilePath(root: nil, [$0]).bytes) } }
}
