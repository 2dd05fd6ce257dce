internal import Containers
internal import LinuxSystem
internal import RPC

extension DockerDoor {
    /// `POST /containers/{id}/attach`.
    func attachToContainer(_ call: DockerCall) async throws -> WebAnswer {
        let query = call.query
        let container = try await container(call)
        let wanted = WantedOutput(
            output: query.truth("stdout"),
            errors: query.truth("stderr"),
            hasTerminal: container.configuration.hasTerminal
        )
        let attachment = Attachment(
            place: try await engine.containers.outputPlace(of: container),
            wanted: wanted,
            showsEarlier: query.truth("logs"),
            follows: query.truth("stream"),
            typesInput: query.truth("stdin") && query.truth("stream") && container.configuration.keepsInput,
            detachKeys: try Self.detachKeys(query)
        )
        await engine.containers.tellOfAttachment(to: container)
        let type = StreamFrames.type(hasTerminal: wanted.hasTerminal, for: call.version)
        guard call.asksForUpgrade else {
            // What such a client types cannot be told from its next request.
            return WebAnswer.streaming(type) { [engine] writer in
                try await writer.begin()
                try await attachment.show(engine.containers) { try await writer.write($0) }
            }
        }
        return WebAnswer.connection(type) { [engine] stream in
            try await attachment.run(engine.containers, over: stream)
        }
    }

    static func detachKeys(_ query: FormQuery) throws -> DetachKeys {
        let text = query["detachKeys"]
        return text.isEmpty ? .standard : try DetachKeys(parsing: text)
    }
}

/// One client that is attached to a container.
private struct Attachment: Sendable {
    let place: OutputPlace
    let wanted: WantedOutput
    let showsEarlier: Bool
    let follows: Bool
    let typesInput: Bool
    let detachKeys: DetachKeys

    /// Shows what the container writes, and gives it what the client types, until the container has ended or the client detaches.
    func run(_ containers: ContainerStore, over stream: WebStream) async throws {
        let (runs, runner) = AsyncStream.makeStream(of: ContainerRecord.self, bufferingPolicy: .bufferingNewest(1))
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                defer { runner.finish() }
                try await show(containers, running: { runner.yield($0) }) { try await stream.write($0) }
                return true
            }
            group.addTask {
                guard typesInput else {
                    // Nothing is to come; only the end of the connection matters.
                    while try await stream.read() != nil {}
                    return false
                }
                for await container in runs { return try await type(for: container, containers, from: stream) }
                return false
            }
            defer { group.cancelAll() }
            while let isOver = try await group.next() { if isOver { return } }
        }
    }

    /// Shows what the container has written and writes.
    func show(
        _ containers: ContainerStore,
        running: (ContainerRecord) -> Void = { _ in },
        _ send: ([UInt8]) async throws -> Void
    ) async throws {
        if showsEarlier {
            try await containers.earlierOutput(before: place) { try await send(wanted.bytes(of: $0)) }
        }
        guard follows else { return }
        try await containers.followOutput(from: place, running: running) { try await send(wanted.bytes(of: $0)) }
    }

    /// Hands on what the client types.
    /// - Returns: whether it has typed the keys by which it detaches.
    private func type(
        for container: ContainerRecord,
        _ containers: ContainerStore,
        from stream: WebStream
    ) async throws -> Bool {
        guard let input = try? await containers.input(of: container) else { return false }
        var scanner = DetachScanner(wanted.hasTerminal ? detachKeys : nil)
        return try await withThrowingTaskGroup(of: Bool?.self) { group in
            group.addTask {
                // It is over with the container.
                try? await input.drain()
                return nil
            }
            defer { group.cancelAll() }
            while let bytes = try await stream.read() {
                let (passed, isComplete) = scanner.scan(bytes)
                do {
                    if !passed.isEmpty { try await input.write(passed) }
                } catch is SystemCallError {
                    // It reads no more.
                    return false
                }
                if isComplete { return true }
            }
            try? input.finish()
            // Held until the container has ended: the end of the connection would be taken for the end of the client.
            _ = try await group.next()
            return false
        }
    }
}
