internal import LinuxSystem
internal import Synchronization
internal import SystemPackage

/// Tells once what the kernel does not keep processes from that have no namespaces of their own.
final class ConfinementGap: Sendable {
    private let wasTold = Mutex(false)

    /// What is missing; nil if nothing is, or if it was told before.
    func text(_ extent: AccessRules.Extent) -> String? {
        let text: String? =
            switch extent {
            case .filesAndProcesses: nil
            case .files:
                "the kernel's Landlock keeps no signals and sockets in (Linux 6.12 does): "
                    + "a step that runs as root can signal the builder and the other processes of this container"
            case .nothing(let error):
                "there is no Landlock here (\(SystemCallError.text(of: error))): a step that runs as root can signal the builder and "
                    + "the other processes of this container, and two such steps together can reach its files"
            }
        guard let text else { return nil }
        return wasTold.withLock { wasTold in
            defer { wasTold = true }
            return wasTold ? nil : text
        }
    }
}
