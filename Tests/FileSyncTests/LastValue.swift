import BuildKitProto
import SwiftProtobuf
import Synchronization

/// The last value that a callback was given.
final class LastValue: Sendable {
    private let last = Mutex<Int64>(0)

    var value: Int64 { last.withLock { $0 } }
    func set(_ value: Int64) { last.withLock { $0 = value } }
}

extension Fsutil_Types_Packet {
    /// Its size by protobuf's own encoder.
    var wireSizeByEncoder: Int { (try? serializedBytes() as [UInt8])?.count ?? 0 }
}
