/// The messages between SSH and its agent, as far as a step may send them.
///
/// See draft-ietf-sshm-ssh-agent.
package enum AgentProtocol {
    /// The longest message that is passed on; OpenSSH's agent takes no longer ones.
    package static let messageLimit = 256 << 10
    /// SSH_AGENT_FAILURE with its length.
    package static let refusal: [UInt8] = [0, 0, 0, 1, 5]

    /// Whether a step may ask this of the agent: which keys there are, and signatures.
    ///
    /// Adding, removing and locking keys and extensions are for the agent's owner, not for whoever wrote a Dockerfile.
    package static func isAllowed(_ message: [UInt8]) -> Bool {
        // SSH_AGENTC_REQUEST_IDENTITIES, SSH_AGENTC_SIGN_REQUEST
        message.first == 11 || message.first == 13
    }

    /// The length that stands in front of a message; nil for one that is empty or too long.
    package static func length(_ prefix: [UInt8]) -> Int? {
        let length = prefix.reduce(0) { $0 << 8 | Int($1) }
        return prefix.count == 4 && length > 0 && length <= messageLimit ? length : nil
    }
}
