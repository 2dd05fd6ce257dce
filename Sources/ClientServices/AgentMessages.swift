/// Puts the messages of agents together again, which come in pieces of any size.
package struct AgentMessages: Sendable {
    private var bytes: [UInt8] = []

    package init() {}

    package mutating func add(_ piece: some Sequence<UInt8>) { bytes += piece }

    /// The next message with its length; nil where it has not all come.
    /// - Throws: `ClientServiceError` for a length that no message has.
    package mutating func next() throws(ClientServiceError) -> [UInt8]? {
        guard bytes.count >= 4 else { return nil }
        guard let length = AgentProtocol.length(Array(bytes[..<4])) else { throw .malformedAgentRequest }
        guard bytes.count >= 4 + length else { return nil }
        defer { bytes.removeFirst(4 + length) }
        return Array(bytes[..<(4 + length)])
    }
}
