internal import Glibc
package import SystemPackage

/// A file's whole content, or nil where there is no file of that name; more than `limit` bytes are an `EFBIG` error.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func contentsIfPresent(of path: FilePath, limit: Int) throws(SystemCallError) -> [UInt8]? {
    do throws(SystemCallError) {
        return try OpenFile.open(path, .readOnly).readToEnd(limit: limit)
    } catch {
        if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return nil }
        throw error
    }
}

/// Replaces a file's whole content so that a reader, or a crash at any moment, finds the old or the new one and never a part.
///
/// Missing parent directories are made for their owner only. Where the path is a symbolic link, the file it names is replaced.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func replaceFile(at path: FilePath, with content: [UInt8], mode: UInt32) throws(SystemCallError) {
    let target = resolvedLink(path)
    let parent = target.removingLastComponent().isEmpty ? FilePath(".") : target.removingLastComponent()
    try createDirectories(parent)
    let temporary = parent.appending(".slipway-\(getpid())-\(UInt64.random(in: 0 ... .max))")
    do throws(SystemCallError) {
        let file = try OpenFile.open(temporary, [.writeOnly, .createNew, .noFollow], mode: mode)
        try file.write(content)
        try file.synchronize()
        _ = try retryingSystemCall("rename", path: target) {
            temporary.withPlatformString { from in target.withPlatformString { rename(from, $0) } }
        }
    } catch {
        _ = temporary.withPlatformString { unlink($0) }
        throw error
    }
    try OpenFile.open(parent, [.readOnly, .directory]).synchronize()
}

/// What a symbolic link names in the end, or the path itself where it is none.
private func resolvedLink(_ path: FilePath) -> FilePath {
    let resolved = path.withPlatformString { realpath($0, nil) }
    guard let resolved else { return path }
    defer { free(resolved) }
    return FilePath(platformString: resolved)
}

@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func createDirectories(_ path: FilePath) throws(SystemCallError) {
    do throws(SystemCallError) {
        _ = try retryingSystemCall("mkdir", path: path) { path.withPlatformString { mkdir($0, 0o700) } }
    } catch {
        switch error.errno {
        case .fileExists: return
        case .noSuchFileOrDirectory:
            let parent = path.removingLastComponent()
            guard parent != path, !parent.isEmpty else { throw error }
            try createDirectories(parent)
            _ = try retryingSystemCall("mkdir", path: path) { path.withPlatformString { mkdir($0, 0o700) } }
        default: throw error
        }
    }
}
