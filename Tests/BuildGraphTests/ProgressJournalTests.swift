import BuildGraph
import LinuxSystem
import OCI
import Testing

@Suite struct `The journal of a progress channel` {
    private func time(_ seconds: Double) -> Timestamp { Timestamp(nanoseconds: 0).advanced(by: seconds) }

    private func vertex(_ name: String, _ start: Double? = nil, _ end: Double? = nil) -> ProgressEvent {
        .vertex(
            VertexProgress(
                digest: digest(name),
                name: name,
                inputs: [digest("input")],
                started: start.map(time),
                completed: end.map(time)
            )
        )
    }

    private let process = ProcessRecord(
        started: Timestamp(nanoseconds: 1),
        completed: Timestamp(nanoseconds: 2),
        usage: ResourceUsage(userTime: 1, systemTime: 2, peakMemory: 3, bytesRead: 4, bytesWritten: 5)
    )

    @Test func `has the last of each step, in the order in which they were announced`() {
        let channel = ProgressChannel()
        for event in [
            vertex("a"), vertex("b"), vertex("b", 1), vertex("a", 2), vertex("b", 1, 3), vertex("a", 2, 4), vertex("c"),
        ] { channel.post(event) }
        let steps = channel.steps
        #expect(steps.map(\.name) == ["a", "b", "c"])
        #expect(steps.map(\.started) == [time(2), time(1), nil])
        #expect(steps.map(\.completed) == [time(4), time(3), nil])
        #expect(steps[0].inputs == [digest("input")])
    }

    @Test func `takes nothing back when a step is announced again`() {
        let channel = ProgressChannel()
        for event in [vertex("a"), vertex("a", 1, 2), vertex("a")] { channel.post(event) }
        #expect(channel.steps.map(\.completed) == [time(2)])
    }

    @Test func `puts together what is measured of a step, whenever it comes`() {
        let channel = ProgressChannel()
        channel.post(.measured(VertexMeasure(vertex: digest("a"), process: process)))
        channel.post(vertex("a", 1, 2))
        channel.post(.measured(VertexMeasure(vertex: digest("a"), layerSize: 7)))
        channel.post(.measured(VertexMeasure(vertex: digest("unknown"), layerSize: 8)))
        #expect(channel.steps.map(\.process) == [process])
        #expect(channel.steps.map(\.layerSize) == [7])
    }

    @Test func `goes on when the reader has left, and shows measures to no reader`() async {
        let channel = ProgressChannel()
        channel.post(vertex("a", 1))
        channel.post(.measured(VertexMeasure(vertex: digest("a"), layerSize: 7)))
        #expect(await channel.events() == [vertex("a", 1)])
        channel.finish()
        channel.post(vertex("a", 1, 2))
        #expect(channel.steps.map(\.completed) == [time(2)])
    }
}
