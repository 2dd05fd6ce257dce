internal import CLinux
internal import Glibc
internal import SystemPackage

/// Copies the content of files in the cheapest way that the file systems at hand have, which it finds out once.
///
/// One object serves the copies of one thread between two file systems: first shared extents (`FICLONE`), then
/// copy_file_range(2), then reading and writing. Holes stay holes.
package final class FileContentCopier {
    private var sharesExtents = true
    private var copiesInKernel = true
    private let buffer: UnsafeMutableRawBufferPointer

    /// Content up to this many bytes is read and written: fewer calls than asking for more.
    private static let smallSize = 64 << 10

    package init() { buffer = .allocate(byteCount: 256 << 10, alignment: 4096) }

    deinit { buffer.deallocate() }

    /// Copies what a file holds into one that is empty.
    ///
    /// The source's status tells its size and whether it has holes; content beyond that size is left out.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func copy(
        _ source: OpenFile,
        status: FileStatus,
        to destination: OpenFile
    ) throws(SystemCallError) {
        if status.size == 0 { return }
        if sharesExtents {
            if slipway_ficlone(destination.descriptor, source.descriptor) == 0 { return }
            sharesExtents = false
        }
        let mayHaveHoles = status.blocks * 512 < status.size
        if status.size <= Self.smallSize, !mayHaveHoles {
            try copyThroughMemory(source, 0..<status.size, to: destination)
            return
        }
        if mayHaveHoles {
            try copyExtents(source, size: status.size, to: destination)
        } else {
            try copyRange(source, 0..<status.size, to: destination)
        }
    }

    /// Copies data and leaves holes out.
    ///
    /// See lseek(2).
    private func copyExtents(
        _ source: OpenFile,
        size: Int64,
        to destination: OpenFile
    ) throws(SystemCallError) {
        var offset: Int64 = 0
        while offset < size {
            let data = slipway_seek_data(source.descriptor, offset)
            if data < 0 {
                if Glibc.errno == ENXIO { break }
                // A file system that cannot tell.
                try copyRange(source, offset..<size, to: destination)
                return
            }
            if data >= size { break }
            let hole = slipway_seek_hole(source.descriptor, data)
            let end = hole < 0 ? size : min(hole, size)
            try copyRange(source, data..<end, to: destination)
            offset = end
        }
        // A file that was cut meanwhile does not get zeros that it never had.
        try destination.truncate(to: min(size, try source.status().size))
    }

    private func copyRange(
        _ source: OpenFile,
        _ range: Range<Int64>,
        to destination: OpenFile
    ) throws(SystemCallError) {
        var offset = range.lowerBound
        while copiesInKernel, offset < range.upperBound {
            let wanted = Int(min(range.upperBound - offset, 1 << 30))
            let count = slipway_copy_file_range(source.descriptor, destination.descriptor, offset, wanted)
            if count > 0 {
                offset += Int64(count)
                continue
            }
            if count == 0 { return }
            switch Glibc.errno {
            case EINTR: continue
            case ENOSPC, EDQUOT, EFBIG, EIO:
                throw SystemCallError("copy_file_range", path: destination.path, errno: Errno(rawValue: Glibc.errno))
            default: copiesInKernel = false
            }
        }
        try copyThroughMemory(source, offset..<range.upperBound, to: destination)
    }

    private func copyThroughMemory(
        _ source: OpenFile,
        _ range: Range<Int64>,
        to destination: OpenFile
    ) throws(SystemCallError) {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let wanted = Int(min(range.upperBound - offset, Int64(buffer.count)))
            let count = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: offset)
            if count == 0 { return }
            var rest = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            while !rest.isEmpty {
                let written = try retryingSystemCall("pwrite", path: destination.path) {
                    pwrite(destination.descriptor, rest.baseAddress, rest.count, off_t(offset))
                }
                offset += Int64(written)
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
    }
}
