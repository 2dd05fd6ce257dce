import LinuxSystem
import SystemPackage

extension ContainerStore {
    /// Hands on what a detached container has written.
    /// - Parameters:
    ///   - container: whose log.
    ///   - tail: how many of the last lines; nil is all.
    ///   - since: RFC 3339; earlier lines are left out.
    ///   - follows: goes on while the container runs.
    ///   - show: takes each line.
    /// - Throws: what `show` throws, `SystemCallError`; `CancellationError` if the task is cancelled while it follows.
    package func logs(
        of container: ContainerRecord,
        tail: Int? = nil,
        since: String? = nil,
        follows: Bool = false,
        show: (ContainerLogLine) async throws -> Void
    ) async throws {
        let path = log(of: container)
        var offset: Int64 = 0
        var isFirst = true
        while true {
            // Asked before reading: what it wrote last is read after it has ended.
            let isRunning = await onBlockingPool { container.state.process?.isRunning ?? false }
            let content = try await read(path, from: offset)
            let end = content.lastIndex(of: 0x0a).map { $0 + 1 } ?? 0
            var lines = content[..<end].split(separator: 0x0a).compactMap { ContainerLogLine(parsing: $0) }
            if let since { lines.removeAll { $0.time < since } }
            if isFirst, let tail { lines = lines.suffix(tail) }
            for line in lines { try await show(line) }
            offset += Int64(end)
            isFirst = false
            guard follows, isRunning, let process = container.state.process else { return }
            _ = try await onBlockingPool { try process.waitUntilEnded(atMost: .milliseconds(100)) }
            try Task.checkCancellation()
        }
    }

    private func read(_ path: FilePath, from offset: Int64) async throws -> [UInt8] {
        try await onBlockingPool {
            do throws(SystemCallError) {
                let file = try OpenFile.open(path, O_RDONLY_)
                var content = [UInt8](repeating: 0, count: Int(max(try file.status().size - offset, 0)))
                let result: Result<Int, SystemCallError> = content.withUnsafeMutableBytes { buffer in
                    do throws(SystemCallError) { return .success(try file.read(into: buffer, at: offset)) } catch {
                        return .failure(error)
                    }
                }
                return Array(content.prefix(try result.get()))
            } catch {
                if error.errno == .noSuchFileOrDirectory { return [] }
                throw error
            }
        }
    }
}
