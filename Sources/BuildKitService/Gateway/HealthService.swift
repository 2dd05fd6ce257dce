import BuildKitProto
import RPC
import SwiftProtobuf

/// Says that the server is there.
struct HealthService: RPCService {
    func register(in methods: inout MethodTable) {
        methods.unary("grpc.health.v1.Health", "Check") { (_: Grpc_Health_V1_HealthCheckRequest, _) in
            Grpc_Health_V1_HealthCheckResponse.with { $0.status = .serving }
        }
    }
}
