import BuildCache
import BuildGraph
import BuildKitProto
import LinuxSystem
import RPC
import SwiftProtobuf

/// What clients ask of a builder: BuildKit's `Control`.
struct ControlService: RPCService {
    static let name = "moby.buildkit.v1.Control"

    let server: BuildServer

    func register(in methods: inout MethodTable) {
        methods.unary(Self.name, "Info") { [server] (_: Moby_Buildkit_V1_InfoRequest, _) in
            Moby_Buildkit_V1_InfoResponse.with { $0.buildkitVersion = server.version }
        }
        methods.unary(Self.name, "ListWorkers") { [server] (question: Moby_Buildkit_V1_ListWorkersRequest, _) in
            let wanted = try await server.workersWithDevices().filter { try WorkerFilter.allow(question.filter, $0) }
            return Moby_Buildkit_V1_ListWorkersResponse.with { $0.record = wanted }
        }
        methods.unary(Self.name, "Solve") { [server] (question: Moby_Buildkit_V1_SolveRequest, context) in
            try await server.solve(question, parent: context.value("traceparent"))
        }
        methods.serverStream(Self.name, "Status") {
            [server] (question: Moby_Buildkit_V1_StatusRequest, _, output: RPCOutput<Moby_Buildkit_V1_StatusResponse>)
            in
            try await server.status(of: question.ref, to: output)
        }
        methods.unary(Self.name, "DiskUsage") { [server] (question: Moby_Buildkit_V1_DiskUsageRequest, _) in
            try await server.diskUsage(question)
        }
        methods.serverStream(Self.name, "Prune") {
            [server] (question: Moby_Buildkit_V1_PruneRequest, _, output: RPCOutput<Moby_Buildkit_V1_UsageRecord>) in
            try await server.prune(question, to: output)
        }
        registerHistory(in: &methods)
    }

    private func registerHistory(in methods: inout MethodTable) {
        // Clients tell by it how long a build has been running.
        let time = { @Sendable in
            [("buildkit-current-timestamp", FileTime(nanosecondsSinceEpoch: realTimeNanoseconds()).rfc3339)]
        }
        methods.serverStream(Self.name, "ListenBuildHistory", metadata: time) {
            [server]
            (
                question: Moby_Buildkit_V1_BuildHistoryRequest,
                _,
                output: RPCOutput<Moby_Buildkit_V1_BuildHistoryEvent>
            ) in
            try await server.listen(question, to: output)
        }
        methods.unary(Self.name, "UpdateBuildHistory") {
            [server] (question: Moby_Buildkit_V1_UpdateBuildHistoryRequest, _) in
            try await server.update(question)
            return Moby_Buildkit_V1_UpdateBuildHistoryResponse()
        }
    }
}
