internal import CLinux
internal import Glibc
internal import SystemPackage
internal import Text

/// Extended attributes of a file reached through an open descriptor. See xattr(7).
///
/// Descriptors may be `O_PATH`: the calls then go through `/proc/self/fd`, which names the very file, links included.
extension OpenFile {
    /// All attribute names with their values, sorted by name.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func extendedAttributes() throws(SystemCallError) -> [(name: [UInt8], value: [UInt8])] {
        var names = try extendedAttributeNames()
        if keptScope == .modes, let place = names.firstIndex(of: KeptCapability.attribute) {
            names.remove(at: place)
            if !names.contains(KeptCapability.realAttribute) {
                names.insert(KeptCapability.realAttribute, at: 0)
                names.sort { $0.lexicographicallyPrecedes($1) }
            }
        }
        var attributes: [(name: [UInt8], value: [UInt8])] = []
        for name in names {
            if let value = try extendedAttribute(name) { attributes.append((name, value)) }
        }
        return attributes
    }

    /// Whether an entry of this directory, which is no symbolic link, has any attribute: one call, where most files have none.
    ///
    /// See listxattr(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func hasExtendedAttributes(entry name: [UInt8]) throws(SystemCallError) -> Bool {
        let path = FilePath(bytes: procPath.bytes + "/" + name)
        do throws(SystemCallError) {
            return try retryingSystemCall("listxattr", path: self.path) {
                path.withPlatformString { slipway_listxattr($0, nil, 0) }
            } > 0
        } catch {
            if error.errno == .notSupported { return false }
            throw error
        }
    }

    /// The value of one attribute, or nil where the file has none of that name.
    ///
    /// See getxattr(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func extendedAttribute(_ name: [UInt8]) throws(SystemCallError) -> [UInt8]? {
        if isKept(name), let value = try extendedAttributeOfKernel(KeptCapability.attribute) { return value }
        return try extendedAttributeOfKernel(name)
    }

    private func extendedAttributeOfKernel(_ name: [UInt8]) throws(SystemCallError) -> [UInt8]? {
        let attribute = name.map { CChar(bitPattern: $0) } + [0]
        var buffer = [UInt8](repeating: 0, count: 256)
        while true {
            let count = procPath.withPlatformString { slipway_getxattr($0, attribute, &buffer, buffer.count) }
            if count >= 0 { return Array(buffer[..<count]) }
            let code = Glibc.errno
            switch code {
            case EINTR: continue
            case ENODATA, ENOTSUP: return nil
            case ERANGE: buffer = [UInt8](repeating: 0, count: 65_536)
            default: throw SystemCallError("getxattr", path: path, errno: Errno(rawValue: code))
            }
        }
    }

    /// Sets one attribute.
    ///
    /// See setxattr(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func setExtendedAttribute(_ name: [UInt8], _ value: [UInt8]) throws(SystemCallError) {
        var (name, value) = (name, value)
        if isKept(name) {
            guard let shown = KeptCapability.shown(value) else {
                throw SystemCallError("setxattr", path: path, errno: .invalidArgument)
            }
            (name, value) = (KeptCapability.attribute, shown)
        }
        let attribute = name.map { CChar(bitPattern: $0) } + [0]
        _ = try retryingSystemCall("setxattr", path: path) {
            procPath.withPlatformString { slipway_setxattr($0, attribute, value, value.count, 0) }
        }
    }

    /// Removes one attribute.
    ///
    /// See removexattr(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func removeExtendedAttribute(_ name: [UInt8]) throws(SystemCallError) {
        let attribute = (isKept(name) ? KeptCapability.attribute : name).map { CChar(bitPattern: $0) } + [0]
        _ = try retryingSystemCall("removexattr", path: path) {
            procPath.withPlatformString { slipway_removexattr($0, attribute) }
        }
    }

    /// Whether an attribute of this file is kept under another name.
    private func isKept(_ name: [UInt8]) -> Bool { name == KeptCapability.realAttribute && keptScope == .modes }

    /// The attribute names, sorted by their bytes.
    ///
    /// See listxattr(2).
    private func extendedAttributeNames() throws(SystemCallError) -> [[UInt8]] {
        var buffer = [CChar](repeating: 0, count: 1024)
        while true {
            var count = slipway_flistxattr(descriptor, &buffer, buffer.count)
            if count < 0, Glibc.errno == EBADF {
                count = procPath.withPlatformString { slipway_listxattr($0, &buffer, buffer.count) }
            }
            if count >= 0 {
                return buffer[..<count].split(separator: 0).map { $0.map { UInt8(bitPattern: $0) } }
                    .sorted { $0.lexicographicallyPrecedes($1) }
            }
            let code = Glibc.errno
            switch code {
            case EINTR: continue
            case ENOTSUP: return []
            case ERANGE: buffer = [CChar](repeating: 0, count: 65_536)
            default: throw SystemCallError("listxattr", path: path, errno: Errno(rawValue: code))
            }
        }
    }
}
