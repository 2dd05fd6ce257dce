package import BuildKitProto

/// One end of a file sync: packets that come and packets that go.
///
/// `next` or `nextBatch` is called by one task and `send` by one other at a time; both may be waited for at once. Both end with the
/// cancellation of the task that calls them.
package protocol PacketChannel: Sendable {
    /// The next packet of the other end; nil when it has closed its side.
    func next() async throws -> Fsutil_Types_Packet?
    /// As many packets as have come, at least one; nil when the other end has closed its side.
    func nextBatch() async throws -> [Fsutil_Types_Packet]?
    /// Many packets are coming, and none of them is urgent: they may arrive later and together.
    func gather()
    func send(_ packet: Fsutil_Types_Packet) async throws
}

extension PacketChannel {
    package func gather() {}

    package func nextBatch() async throws -> [Fsutil_Types_Packet]? { try await next().map { [$0] } }
}
