import BuildEngine
import LLB
import LinuxSystem
import OCI
import Operations
import Sandboxes
import Synchronization
import SystemPackage
import Tasks
import Text

/// A container that a frontend or a client has made, until it is released.
final class GatewayContainer: Sendable {
    private struct State {
        /// The first process, once one was asked for; nil where it could not be started.
        var first: Promise<SandboxProcess?>?
        var processes: [Int: Task<Void, Never>] = [:]
        var number = 0
        var failure: (any Error)?
        var isReleased = false
        /// Holds the mounts.
        var scope: Task<Void, Never>?
    }

    /// Of another system than this one, by what its programs look for their paths in.
    let usualPath: [UInt8]?
    let network: NetworkMode
    private let ready = Promise<Result<StepContainer, any Error>>()
    private let released = Promise<Void>()
    private let state = Mutex(State())

    private init(_ network: NetworkMode, usualPath: [UInt8]?) {
        self.network = network
        self.usualPath = usualPath
    }

    /// Makes a container; its mounts are there when this returns.
    static func make(_ plan: StepContainer.Plan, in build: Build) async throws -> GatewayContainer {
        let path: [UInt8]? =
            plan.platform?.os == "windows"
            ? "PATH=c:\\Windows\\System32;c:\\Windows;C:\\Windows\\System32\\WindowsPowerShell\\v1.0" : nil
        let made = GatewayContainer(plan.network, usualPath: path)
        // Ends with the release, which waits for it.
        let scope = Task {
            do {
                try await build.withContainer(plan) { container in
                    made.ready.keep(.success(container))
                    await made.released.value()
                    await made.endProcesses()
                }
            } catch {
                made.ready.keep(.failure(error))
            }
        }
        made.state.withLock { $0.scope = scope }
        do {
            _ = try await made.ready.value().get()
            return made
        } catch {
            await scope.value
            throw error
        }
    }

    /// The files of a mount.
    func files(ofMount number: Int) async throws -> RootedDirectory {
        guard let path = try await ready.value().get().files(ofMount: number) else {
            throw ServiceError.noMount(number)
        }
        return try await onBlockingPool { try RootedDirectory(path) }
    }

    /// Ends what runs in it, and gives its mounts up.
    /// - Throws: why the first of its processes failed that did.
    func release() async throws {
        released.keep(())
        await state.withLock(\.scope)?.value
        if let failure = state.withLock(\.failure) { throw failure }
    }

    // MARK: Processes

    /// Does the work for one process, with a number that tells whether it is the first.
    /// - Throws: `ServiceError` where the container was released.
    func begin(_ body: @escaping @Sendable (_ first: FirstProcess) async -> (any Error)?) throws(ServiceError) {
        let isTaken = state.withLock { state -> Bool in
            if state.isReleased { return false }
            state.number += 1
            let number = state.number
            let role: FirstProcess
            if let first = state.first {
                role = .other(first)
            } else {
                let first = Promise<SandboxProcess?>()
                state.first = first
                role = .itself(first)
            }
            // Cancelled and waited for when the container is released.
            state.processes[number] = Task {
                let failure = await body(role)
                self.state.withLock { state in
                    state.processes[number] = nil
                    state.failure = state.failure ?? failure
                }
            }
            return true
        }
        if !isTaken { throw .containerReleased }
    }

    /// Whether a process is the container's own or comes beside that.
    enum FirstProcess: Sendable {
        case itself(Promise<SandboxProcess?>)
        case other(Promise<SandboxProcess?>)

        /// Lets those that wait for it know that it is not there, if it was not.
        func abandon() { if case .itself(let promise) = self { promise.keep(nil) } }
    }

    /// Runs a process to its end.
    func run(
        _ plan: StepContainer.ProcessPlan,
        as role: FirstProcess,
        _ body: @escaping @Sendable (StepContainer.Running) async throws -> Void
    ) async throws -> ExitStatus {
        let container = try await ready.value().get()
        switch role {
        case .itself(let promise):
            return try await container.runFirst(plan) { process, running in
                promise.keep(process)
                try await body(running)
            }
        case .other(let promise):
            guard let first = await promise.value() else { throw SandboxError.sandboxHasEnded }
            return try await container.runAnother(plan, beside: first, body)
        }
    }

    private func endProcesses() async {
        let processes = state.withLock { state in
            state.isReleased = true
            return Array(state.processes.values)
        }
        for process in processes { process.cancel() }
        for process in processes { await process.value }
    }
}

/// The containers of one frontend or client.
final class GatewayContainers: Sendable {
    private let containers = Mutex<[String: GatewayContainer]>([:])

    func add(_ container: GatewayContainer, as id: String) throws(ServiceError) {
        let isNew = containers.withLock { containers in
            if containers[id] != nil { return false }
            containers[id] = container
            return true
        }
        if !isNew { throw .containerExists(id) }
    }

    subscript(id: String) -> GatewayContainer {
        get throws(ServiceError) {
            guard let container = containers.withLock({ $0[id] }) else { throw .unknownContainer(id) }
            return container
        }
    }

    /// Releases a container; it is not known any more.
    func release(_ id: String) async throws {
        guard let container = containers.withLock({ $0.removeValue(forKey: id) }) else {
            throw ServiceError.unknownContainer(id)
        }
        try await container.release()
    }

    /// Releases all that are left; how their processes ended is of no interest any more.
    func releaseAll() async {
        let left = containers.withLock { containers in
            defer { containers = [:] }
            return Array(containers.values)
        }
        for container in left { try? await container.release() }
    }
}
