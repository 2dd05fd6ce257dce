internal import Glibc
package import SystemPackage

/// Removes a file or a whole directory tree; nothing there is no error.
///
/// Links are removed, never followed.
///
/// Depth costs no stack: directories wait in a list, so a tree of any depth is removed.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func removeTree(_ path: FilePath) throws(SystemCallError) {
    do throws(SystemCallError) {
        _ = try retryingSystemCall("unlink", path: path) { path.withPlatformString { unlink($0) } }
        return
    } catch {
        if error.errno == .noSuchFileOrDirectory { return }
        if error.errno != .isDirectory && error.errno != .notPermitted { throw error }
    }
    var pending: [(path: FilePath, emptied: Bool)] = [(path, false)]
    while let (directory, emptied) = pending.popLast() {
        if emptied {
            try ignoringAbsence { () throws(SystemCallError) in
                _ = try retryingSystemCall("rmdir", path: directory) { directory.withPlatformString { rmdir($0) } }
            }
            continue
        }
        var opened: OpenFile?
        // Another process may remove the same tree.
        try ignoringAbsence { () throws(SystemCallError) in opened = try openToEmpty(directory) }
        guard let file = opened else { continue }
        pending.append((directory, true))
        for name in try directoryEntries(of: file) {
            let text = name.map { CChar(bitPattern: $0) } + [0]
            if unlinkat(file.descriptor, text, 0) == 0 { continue }
            switch Glibc.errno {
            case EISDIR, EPERM: pending.append((directory.appending(name: name), false))
            case ENOENT: continue
            default:
                throw SystemCallError(
                    "unlinkat",
                    path: directory.appending(name: name),
                    errno: Errno(rawValue: Glibc.errno)
                )
            }
        }
    }
}

/// Opens a directory to remove its entries, which its mode may keep its owner from.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func openToEmpty(_ directory: FilePath) throws(SystemCallError) -> OpenFile {
    // Modes keep root from nothing.
    if geteuid() == 0 { return try OpenFile.open(directory, [.readOnly, .directory, .noFollow]) }
    let place = try OpenFile.open(directory, [.pathOnly, .directory, .noFollow])
    let mode = UInt32(try place.status().mode) & 0o7777
    if mode & 0o700 != 0o700 {
        do throws(SystemCallError) { try place.changeMode(mode | 0o700) } catch {
            // Another user's, which this process may be able to empty all the same.
            guard error.errno == .notPermitted else { throw error }
        }
    }
    return try OpenFile.open(directory, [.readOnly, .directory, .noFollow])
}

private func ignoringAbsence(_ body: () throws(SystemCallError) -> Void) throws(SystemCallError) {
    do throws(SystemCallError) {
        try body()
    } catch {
        if error.errno != .noSuchFileOrDirectory { throw error }
    }
}
