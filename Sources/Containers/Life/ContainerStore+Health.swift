import LinuxSystem
import Storage
import Synchronization

extension ContainerStore {
    /// Checks the health of a container, if it asks for that, until `body` has ended.
    ///
    /// - Parameters:
    ///   - record: the container as it is since it runs.
    ///   - body: what lasts as long as the container does.
    /// - Throws: what `body` throws.
    package func withHealthChecks(of record: ContainerRecord, _ body: () async throws -> Void) async throws {
        guard let plan = record.healthPlan else { return try await body() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.checkHealth(of: record, plan) }
            defer { group.cancelAll() }
            try await body()
        }
    }

    private func checkHealth(of record: ContainerRecord, _ plan: HealthPlan) async {
        let clock = ContinuousClock()
        let start = clock.now
        var health = ContainerHealth()
        while true {
            do {
                try await clock.sleep(for: plan.pause(health.status, age: clock.now - start))
                let isStarting = clock.now - start < plan.startPeriod
                let check = try await check(record, plan)
                try Task.checkCancellation()
                let before = health.status
                health.receive(check, isStarting: isStarting, retries: plan.retries)
                try await changed(record, .checked(health))
                if health.status != before {
                    let action = StoreEvent(.container, "health_status: \(health.status.rawValue)", of: record.id)
                    await journal.append(action)
                }
            } catch {
                // The container has ended, or its store cannot be written: what it does comes first.
                if Task.isCancelled { return }
            }
        }
    }

    /// Runs one check, and ends it where it takes too long.
    private func check(_ record: ContainerRecord, _ plan: HealthPlan) async throws -> ContainerHealth.Check {
        let start = FileTime.now().rfc3339
        let output = CheckOutput()
        let (signals, sender) = AsyncStream.makeStream(of: Signal.self, bufferingPolicy: .bufferingNewest(1))
        let streams = AttachedStreams(signals: signals) { _, bytes in output.append(bytes) }
        let request = ExecRequest(arguments: plan.arguments)
        let code = try await withThrowingTaskGroup(of: CInt?.self) { group in
            group.addTask {
                do {
                    guard case .exited(let code) = try await self.exec(request, in: record, streams) else { return -1 }
                    return code
                } catch {
                    if Task.isCancelled { throw error }
                    output.append(Array("\(error)".utf8))
                    return -1
                }
            }
            group.addTask {
                try await ContinuousClock().sleep(for: plan.timeout)
                return nil
            }
            defer { group.cancelAll() }
            if let first = try await group.next(), let code = first { return code }
            sender.yield(.kill)
            _ = try await group.next()
            output.append(Array("Health check exceeded timeout (\(plan.timeout))".utf8))
            return -1
        }
        return ContainerHealth.Check(start: start, end: FileTime.now().rfc3339, exitCode: code, output: output.text)
    }
}

/// What a check has written, as much of it as docker keeps.
private final class CheckOutput: Sendable {
    private let bytes = Mutex<[UInt8]>([])
    private static let limit = 4096

    func append(_ more: [UInt8]) { bytes.withLock { $0 += more.prefix(Self.limit - $0.count) } }

    var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
}
