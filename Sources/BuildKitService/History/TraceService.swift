import RPC
import SwiftProtobuf

/// Takes the spans that clients send of themselves.
///
/// They go nowhere so far: a client that is refused would send them again.
struct TraceService: RPCService {
    func register(in methods: inout MethodTable) {
        // The answer says that nothing was refused, which is what an empty message means.
        methods.unary("opentelemetry.proto.collector.trace.v1.TraceService", "Export") {
            (_: Google_Protobuf_Empty, _) in Google_Protobuf_Empty()
        }
    }
}
