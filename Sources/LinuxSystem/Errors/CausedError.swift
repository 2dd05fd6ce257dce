/// An error that another one led to, so that what happened can be followed down to the system call.
package protocol CausedError: Error {
    /// What led to this error; nil where it is the first.
    var cause: (any Error)? { get }
}

extension Error {
    /// This error and what led to it, the last cause last.
    package var chain: [any Error] {
        var chain: [any Error] = [self]
        while let cause = (chain.last as? any CausedError)?.cause { chain.append(cause) }
        return chain
    }
}
