import BuildGraph
import LinuxSystem
import OCI
import Terminal

/// A build that never was, step by step, as the history would have it.
struct ProfiledBuild {
    private(set) var timeline: [RecordedStep] = []
    private(set) var explanations: [StepExplanation] = []

    static func time(_ seconds: Double) -> Timestamp {
        Timestamp(nanoseconds: 1_700_000_000_000_000_000).advanced(by: seconds)
    }

    static func digest(_ name: String) -> Digest { Digest.sha256(of: Array(name.utf8)) }

    /// A step of the graph; `outcome` nil for one of the builder's own, or one that was not come to.
    mutating func step(
        _ name: String,
        _ start: Double?,
        _ end: Double?,
        uses inputs: [String] = [],
        _ outcome: StepExplanation.Outcome? = .ran(.noEarlierRecord),
        line: Int? = nil,
        error: String? = nil,
        process: ProcessRecord? = nil,
        layerSize: Int64? = nil
    ) {
        var isCached = false
        switch outcome {
        case .cached, .imported, .notNeeded: isCached = true
        case .ran, .failed, nil: break
        }
        let progress = VertexProgress(
            digest: Self.digest(name),
            name: name,
            inputs: inputs.map(Self.digest),
            started: start.map(Self.time),
            completed: end.map(Self.time),
            cached: isCached,
            error: error
        )
        timeline.append(RecordedStep(progress, process: process, layerSize: layerSize))
        guard let outcome else { return }
        let origin = line.map { line in
            StepOrigin(slot: name, dockerfile: "Dockerfile", stage: "0", instruction: 0, line: line, text: [])
        }
        explanations.append(
            StepExplanation(
                vertex: Self.digest(name),
                name: name,
                origin: origin,
                outcome: outcome,
                seconds: (end ?? 0) - (start ?? 0)
            )
        )
    }

    func profile(
        name: String = "app",
        until end: Double = 10,
        _ ending: BuildProfile.Ending = .completed,
        error: String? = nil
    ) -> BuildProfile {
        let build = BuildProfile.Build(
            id: "0123456789abcdef",
            name: name,
            ending: ending,
            error: error,
            started: Self.time(0),
            completed: Self.time(end)
        )
        return BuildProfile(of: build, timeline, explanations)
    }

    /// A base that is cached, a RUN that decides the time beside a COPY, and the export.
    static var usual: ProfiledBuild {
        var build = ProfiledBuild()
        build.step("[internal] load build definition", 0, 0.5, nil)
        build.step("[1/3] FROM base", 0.5, 0.5, .cached, line: 1)
        build.step("[internal] load build context", 0.5, 1, .ran(.neverCached))
        build.step(
            "[2/3] RUN make",
            0.5,
            8,
            uses: ["[1/3] FROM base"],
            line: 2,
            process: ProcessRecord(
                started: time(1),
                completed: time(7),
                usage: ResourceUsage(
                    userTime: 3_000_000,
                    systemTime: 1_500_000,
                    peakMemory: 34_000_000,
                    bytesRead: 4096,
                    bytesWritten: 12_000_000
                )
            ),
            layerSize: 11_500_000
        )
        build.step(
            "[3/3] COPY . .",
            8,
            8.25,
            uses: ["[2/3] RUN make", "[internal] load build context"],
            .ran(.changed([.content(step: "[internal] load build context", files: [])])),
            line: 3,
            layerSize: 2048
        )
        build.step("exporting to image", 8.25, 10, nil)
        return build
    }
}
