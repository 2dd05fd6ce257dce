internal import LLB
internal import LinuxSystem

/// The permissions that copied files get.
struct AppliedMode: Sendable, Hashable {
    private enum Change: Sendable, Hashable {
        case keep
        case bits(UInt32)
        case expression(ModeExpression)
    }

    private let change: Change

    /// - Throws: `OperationError.invalidMode`.
    init(_ change: ModeChange?) throws(OperationError) {
        switch change {
        case .bits(let bits): self.change = .bits(bits & 0o7777)
        case .symbolic(let text): self.change = .expression(try ModeExpression(text))
        case nil: self.change = .keep
        }
    }

    /// Whether files keep their permissions.
    var isNone: Bool { change == .keep }

    func mode(for status: FileStatus) -> UInt32 {
        switch change {
        case .keep: UInt32(status.mode)
        case .bits(let bits): bits
        case .expression(let expression):
            expression.applied(to: UInt32(status.mode), isDirectory: status.type == .directory)
        }
    }
}
