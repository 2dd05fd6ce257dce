import BuildGraph
import Testing

@Suite(.timeLimit(.minutes(20))) struct `A progress channel` {
    @Test func `keeps the order of events, and only the last of each counter`() async {
        let channel = ProgressChannel()
        channel.post(.vertex(VertexProgress(digest: digest("a"), name: "a")))
        channel.post(status("x", 1))
        channel.post(status("y", 1))
        channel.post(status("x", 2))
        channel.post(.warning(VertexWarning(vertex: nil, short: "w")))
        let events = await channel.events()
        #expect(events.count == 4)
        #expect(events[1] == status("x", 2))
        #expect(events[2] == status("y", 1))
    }

    @Test func `makes the sender of logs wait for a slow reader`() async {
        let channel = ProgressChannel(limit: 10)
        let sent = Gate()
        let sender = Task {
            for _ in 0..<10 { await channel.send(log(8)) }
            sent.open()
        }
        var iterator = channel.makeAsyncIterator()
        var count = 0
        while count < 10, await iterator.next() != nil { count += 1 }
        await sent.passage()
        await sender.value
        #expect(count == 10)
    }

    @Test func `releases every waiter when it is finished`() async {
        let channel = ProgressChannel(limit: 1)
        let sender = Task { await channel.send(log(8)) }
        let other = ProgressChannel()
        let reader = Task { await other.reduce(0) { count, _ in count + 1 } }
        await Task.yield()
        channel.finish()
        other.finish()
        await sender.value
        #expect(await reader.value == 0)
        await channel.send(log(8))
    }

    private func status(_ id: String, _ current: Int64) -> ProgressEvent {
        .status(VertexStatus(id: id, vertex: digest("a"), current: current, timestamp: Timestamp(nanoseconds: 0)))
    }

    private func log(_ count: Int) -> ProgressEvent {
        let data = [UInt8](repeating: 0, count: count)
        return .log(VertexLog(vertex: digest("a"), stream: .output, data: data, timestamp: Timestamp(nanoseconds: 0)))
    }
}
