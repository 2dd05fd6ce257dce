import LinuxSystem
import Storage
import Synchronization
import SystemPackage

/// The right to change whether one container runs, which only one command has at a time; released with the object.
///
/// It lies on the container's directory, so that it takes no room and goes with the container.
final class ContainerTurn: Sendable {
    /// The container as it is since the turn began.
    let record: ContainerRecord
    private let lock: Mutex<FileLock?>

    fileprivate init(record: ContainerRecord, lock: FileLock?) {
        self.record = record
        self.lock = Mutex(lock)
    }

    /// Lets the next command have its turn.
    func end() { lock.withLock { $0 = nil } }
}

extension ContainerStore {
    /// Waits until no other command starts or removes the container.
    /// - Throws: `ContainerError.notFound` where one has removed it meanwhile.
    func turn(of container: ContainerRecord) async throws -> ContainerTurn {
        let path = directory(of: container.id)
        var lock: FileLock?
        do {
            lock = try await FileLock.obtain(directory: path)
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            // Without its directory a container can still be removed.
        }
        do {
            return ContainerTurn(record: try await self.container(container.id), lock: lock)
        } catch ContainerError.notFound {
            throw ContainerError.notFound(container.name)
        }
    }

    /// The container after what was being done to it when this was called.
    func settled(_ container: ContainerRecord) async throws -> ContainerRecord {
        let turn = try await turn(of: container)
        defer { turn.end() }
        return turn.record
    }
}
