import Exporters
import OCI
import Proofs
import Testing

@Suite struct `A finished image configuration` {
    private let layers = ["a", "b"].map {
        ImageAssembly.Layer(diffID: .sha256(of: Array($0.utf8)), created: "2026-01-0\($0 == "a" ? 1 : 2)T00:00:00Z")
    }

    private func configuration(_ history: [HistoryEntry]) -> ImageConfiguration {
        var configuration = ImageConfiguration(platform: Platform(os: "linux", architecture: "amd64"))
        configuration.history = history
        return configuration
    }

    @Test(.proves("The base's history and times")) func `takes its times from its layers`() {
        let history = [
            HistoryEntry(created: "2020-01-01T00:00:00Z", createdBy: "base"),
            HistoryEntry(created: nil, createdBy: "ENV a=b", emptyLayer: true),
            HistoryEntry(created: nil, createdBy: "RUN x"),
            HistoryEntry(created: nil, createdBy: "CMD y", emptyLayer: true),
        ]
        let finished = ImageAssembly.finish(configuration(history), layers: layers, now: "2030-01-01T00:00:00Z")
        #expect(
            finished.history?.map(\.created) == [
                "2020-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z",
            ]
        )
        #expect(finished.created == "2026-01-02T00:00:00Z")
        #expect(finished.rootFileSystem.diffIDs == layers.map(\.diffID))
    }

    @Test func `has the time of the base where it adds no layer`() {
        let history = [
            HistoryEntry(created: "2020-01-01T00:00:00Z", createdBy: "base"),
            HistoryEntry(created: nil, createdBy: "CMD y", emptyLayer: true),
        ]
        let finished = ImageAssembly.finish(configuration(history), layers: [layers[0]], now: "2030-01-01T00:00:00Z")
        #expect(finished.created == "2020-01-01T00:00:00Z")
    }

    @Test func `has the current time where nothing has one`() {
        let finished = ImageAssembly.finish(
            configuration([HistoryEntry(created: nil, createdBy: "CMD y", emptyLayer: true)]),
            layers: [],
            now: "2030-01-01T00:00:00Z"
        )
        #expect(finished.created == "2030-01-01T00:00:00Z")
        #expect(finished.history?.first?.created == "2030-01-01T00:00:00Z")
    }

    @Test func `names a step for each layer of a base that has no history`() {
        let finished = ImageAssembly.finish(configuration([]), layers: layers, now: "2030-01-01T00:00:00Z")
        #expect(finished.history?.count == 2)
        #expect(finished.history?.allSatisfy { $0.emptyLayer != true } == true)
    }
}
