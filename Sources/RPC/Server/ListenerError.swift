package import LinuxSystem
package import SystemPackage
internal import Text

/// Why a server does not listen.
package enum ListenerError: Error, Sendable, CustomStringConvertible {
    case socketInUse(FilePath)
    case notASocket(FilePath)
    case socketNotMade(FilePath, SystemCallError)
    case addressUnusable(host: String, port: Int, reason: String)
    case plainBeyondLoopback(host: String, port: Int)
    case certificateUnusable(reason: String)
    case descriptorUnusable(Int32, reason: String)

    package var description: String {
        switch self {
        case .socketInUse(let path):
            "cannot listen on \(escapedForDisplay(path.bytes)): another process listens there; stop it or use another path"
        case .notASocket(let path):
            "cannot listen on \(escapedForDisplay(path.bytes)): the file is not a socket; remove it or use another path"
        case .socketNotMade(let path, let error): "cannot listen on \(escapedForDisplay(path.bytes)): \(error)"
        case .addressUnusable(let host, let port, let reason): "cannot listen on tcp://\(host):\(port): \(reason)"
        case .plainBeyondLoopback(let host, let port):
            "cannot listen on tcp://\(host):\(port) without TLS: a client could run commands as root; give a certificate and the authority of its clients, or listen on 127.0.0.1"
        case .certificateUnusable(let reason): "cannot listen with TLS: \(reason)"
        case .descriptorUnusable(let number, let reason): "cannot listen on the descriptor \(number): \(reason)"
        }
    }
}

extension ListenerError: CausedError {
    package var cause: (any Error)? {
        switch self {
        case .socketNotMade(_, let error): error
        case .socketInUse, .notASocket, .addressUnusable, .plainBeyondLoopback, .certificateUnusable,
            .descriptorUnusable:
            nil
        }
    }
}
