package import LinuxSystem
internal import Sandboxes
package import Storage
internal import SystemPackage
internal import Text

/// The end of everything that a store runs, before the store itself is removed.
extension ContainerStore {
    /// Ends and removes all containers.
    /// - Returns: how many; and what went wrong, each as a sentence.
    package func removeAll() async throws -> (count: Int, problems: [String]) {
        var count = 0
        var problems: [String] = []
        for record in try await list() {
            do {
                try await remove(record, force: true)
                count += 1
            } catch ContainerError.notFound {
                // It went with its end.
                count += 1
            } catch {
                try Task.checkCancellation()
                problems.append("container \(record.name): \(error)")
            }
        }
        return (count, problems)
    }

    /// Ends what is still there of containers and their network, whatever the store knows of them, and waits until it has ended.
    /// - Parameters:
    ///   - layout: of the store, which need not be readable.
    ///   - level: of this process.
    /// - Returns: how many containers ran.
    /// - Throws: what looking for them and ending them throws.
    package static func endRemains(in layout: StoreLayout, level: PrivilegeLevel) async throws -> Int {
        let found = try await onBlockingPool { try running(in: layout) }
        let count = try await onBlockingPool {
            for container in found {
                for process in container.processes { try process.send(signal: .kill) }
            }
            for monitor in found.compactMap(\.monitor) {
                // It notes the end of its container, and has this program do so.
                if try !monitor.waitUntilEnded(atMost: .seconds(10)) { try monitor.send(signal: .kill) }
            }
            return found.count { !$0.processes.isEmpty }
        }
        if level.ownsMachine { _ = try await removeNetwork(of: layout.root) }
        return count
    }

    /// A container as its directory and the kernel know it.
    private struct Remains {
        /// Nil if it has ended.
        var monitor: ProcessReference?
        /// What the monitor has started.
        var processes: [ProcessReference]
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func running(in layout: StoreLayout) throws -> [Remains] {
        guard try HostFiles.status(of: layout.containers)?.type == .directory else { return [] }
        let parents = try NestedProcesses.parents()
        return try HostFiles.entries(of: layout.containers).compactMap { name -> Remains? in
            guard name.count == 64 else { return nil }
            let directory = FilePath(bytes: layout.containers.bytes + "/" + name)
            let monitor = try process(notedIn: directory.appending("monitor.pid")) { number in
                // The number may be another process's by now.
                try content("cmdline", of: number).split(separator: 0).contains { Array($0) == name }
            }
            let first = try process(notedIn: directory.appending("pid")) { number in
                let mounts = try content("mountinfo", of: number)
                return parents[number] == monitor?.processID || mounts.contains(directory.bytes + "/")
            }
            let children = parents.filter { $0.value == monitor?.processID }.keys
            let processes = Set(children.compactMap { ProcessReference(processID: $0) } + (first.map { [$0] } ?? []))
            return monitor == nil && processes.isEmpty ? nil : Remains(monitor: monitor, processes: Array(processes))
        }
    }

    /// The process whose number a file has; nil for one that has ended or is another one.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func process(notedIn file: FilePath, _ isRight: (Int32) throws -> Bool) throws -> ProcessReference? {
        let text = String(decoding: try contentsIfPresent(of: file, limit: 64) ?? [], as: UTF8.self)
        guard let number = Int32(text.filter { $0 != "\n" }), let process = ProcessReference(processID: number),
            try isRight(number), process.isRunning
        else { return nil }
        return process
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func content(_ file: String, of process: Int32) throws -> [UInt8] {
        // Nothing of one that has ended, or is another user's.
        (try? OpenFile.open(FilePath("/proc/\(process)/\(file)"), .readOnly).readToEnd(limit: 1 << 24)) ?? []
    }
}
