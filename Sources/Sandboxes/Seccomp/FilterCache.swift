internal import FoundationEssentials
internal import Synchronization

/// Compiled filters, in the form the runtime takes them: each step would repeat a millisecond's work.
///
/// A filter is the same wherever it is compiled, so nothing depends on this state of the process.
final class FilterCache: Sendable {
    static let shared = FilterCache()

    private struct Key: Hashable {
        let capabilities: Set<Capability>
        let impersonates: Bool
    }

    private let filters = Mutex<[Key: String]>([:])
    private let programs = Mutex<[SeccompProfile: Data]>([:])

    /// - Parameters:
    ///   - capabilities: of the process.
    ///   - impersonates: whether calls about owners and users are handed to an `Impersonator`.
    /// - Returns: the program, in base 64.
    func dockerFilter(for capabilities: Set<Capability>, impersonates: Bool = false) -> String {
        filters.withLock { filters in
            let key = Key(capabilities: capabilities, impersonates: impersonates)
            if let filter = filters[key] { return filter }
            var profile = SeccompProfile.docker(capabilities: capabilities)
            if impersonates { profile.handOwnersAndUsers() }
            let text = Data(SeccompFilter(profile).bytes).base64EncodedString()
            filters[key] = text
            return text
        }
    }

    /// The program of a profile as the kernel takes it.
    func filter(for profile: SeccompProfile) -> Data {
        programs.withLock { programs in
            if let program = programs[profile] { return program }
            let program = Data(SeccompFilter(profile).bytes)
            programs[profile] = program
            return program
        }
    }
}
