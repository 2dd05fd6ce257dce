import LinuxSystem
import Sandboxes
import Storage
import SystemPackage
internal import Text

extension ContainerStore {
    /// Gives a container another name, which may begin with a slash, as docker shows names.
    /// - Throws: `ContainerError.invalidName`, `.nameInUse`, `.sameName`.
    package func rename(_ container: ContainerRecord, to newName: String) async throws {
        let name = ContainerNames.withoutSlash(newName)
        guard name != container.name else { throw ContainerError.sameName }
        guard ContainerNames.isValid(name) else { throw ContainerError.invalidName(newName) }
        try await store.database.write { db in
            if let owner = try ContainerTable.id(named: name, in: db) {
                throw ContainerError.nameInUse(name: name, id: owner)
            }
            try ContainerTable.rename(container.id, to: name, in: db)
        }
        await tell(.rename, of: container, ["name": name, "oldName": "/" + container.name])
    }

    /// Ends a container, if it runs, and starts it again in the keeping of a monitor.
    package func restart(_ container: ContainerRecord, timeout: Int? = nil) async throws {
        if container.state.status == .running {
            do {
                // So that one which goes with its end does not go now.
                try await changed(container, .restart)
            } catch ContainerError.notRunning {
                // It has ended by itself meanwhile.
            }
            try await stop(container, timeout: timeout)
        }
        try await start(try await self.container(container.id))
        await tell(.restart, of: container)
    }

    /// Removes the containers that do not run.
    /// - Parameter isWanted: which of them.
    /// - Returns: what was removed, and how many bytes that gave back.
    /// - Throws: `ContainerError` about the first that cannot be removed; those before it are gone.
    package func prune(where isWanted: (ContainerRecord) -> Bool) async throws -> (ids: [String], bytes: Int64) {
        var ids: [String] = []
        var bytes: Int64 = 0
        for record in try await list() where record.state.status != .running && isWanted(record) {
            bytes += try await size(of: record)
            try await remove(record, removesVolumes: true)
            ids.append(record.id)
        }
        return (ids, bytes)
    }

    /// How many bytes a container has written over its image's.
    package func size(of container: ContainerRecord) async throws -> Int64 {
        let changes = directory(of: container.id).appending("fs")
        return try await onBlockingPool {
            do {
                return try Self.size(below: RootedDirectory(changes))
            } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
                // Another process removed the container meanwhile.
                return 0
            }
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func size(below root: RootedDirectory) throws -> Int64 {
        var total: Int64 = 0
        var pending: [FilePath] = ["."]
        while let path = pending.popLast() {
            for name in try root.entriesIfPresent(of: path) {
                let child = path.appending(name: name)
                guard let status = try root.statusIfPresent(child) else { continue }
                if status.type == .directory { pending.append(child) }
                if status.type == .regular { total += status.size }
            }
        }
        return total
    }

    /// The numbers that the host gives the processes of a running container.
    package func processes(of container: ContainerRecord) async throws -> Set<Int32> {
        guard let run = container.state.run, let first = run.process else {
            throw ContainerError.notRunning(id: container.id)
        }
        let isNested = run.isNested
        return try await onBlockingPool {
            let parents = try NestedProcesses.parents()
            // Around an attached container there is the runtime, which is none of its processes.
            var found: Set<Int32> = isNested ? [] : [first.processID]
            var pending = [first.processID]
            // What `exec` starts has a parent outside, and numbers of the container.
            let inside = isNested ? try NestedProcesses.first(in: first.processID) : first.processID
            if let own = inside.flatMap({ ProcessNamespaces(of: $0) }), own.numbers.count > 1 {
                let others = parents.keys.filter { ProcessNamespaces(of: $0)?.namespace == own.namespace }
                found.formUnion(others)
                pending += others
            }
            while let parent = pending.popLast() {
                let children = parents.filter { $0.value == parent && !found.contains($0.key) }.map(\.key)
                found.formUnion(children)
                pending += children
            }
            return found
        }
    }

    /// The number that the host gives process 1 of a running container.
    func firstProcess(of container: ContainerRecord) async throws -> Int32? {
        guard container.state.run?.isNested == true, let runtime = container.state.process?.processID else {
            return container.state.process?.processID
        }
        return try await onBlockingPool { try NestedProcesses.first(in: runtime) }
    }
}
