internal import LinuxSystem
internal import SystemPackage
internal import Terminal
internal import Text

/// The place of a profile, found writable before the build begins.
struct ProfileFile: Sendable {
    /// Why a profile cannot be written.
    struct Obstacle: Error, CustomStringConvertible {
        let path: FilePath
        let reason: String

        var description: String { "the profile cannot be written to \(escapedForDisplay(path.bytes)): \(reason)" }
    }

    private let path: FilePath
    private let form: ProfileOption.Form
    private let pending: PendingFile

    /// Makes the file, which appears under its name only when it is written.
    static func open(_ option: ProfileOption, _ environment: SlipwayEnvironment) async throws -> ProfileFile {
        let path = environment.path(option.path)
        return try await onBlockingPool {
            do {
                if let type = try HostFiles.status(of: path)?.type, type != .regular {
                    let kind = type == .directory ? "a directory" : "something other than a file"
                    throw Obstacle(path: path, reason: "it is \(kind); name a new file or one to replace")
                }
                let pending = try PendingFile(replacing: HostFiles.resolved(path), mode: 0o644)
                return ProfileFile(path: path, form: option.form, pending: pending)
            } catch let error as SystemCallError {
                let isMissing = error.errno == .noSuchFileOrDirectory
                let reason = SystemCallError.text(of: error.errno) + (isMissing ? ": make its directory first" : "")
                throw Obstacle(path: path, reason: reason)
            }
        }
    }

    func write(_ profile: BuildProfile) async throws {
        let text =
            switch form {
            case .page: profile.page
            case .trace: profile.trace
            }
        try await onBlockingPool { [path, pending] in
            do throws(SystemCallError) {
                try pending.file.write(Array(text.utf8))
                // It can be made again from the history.
                try pending.publish(isDurable: false)
            } catch {
                pending.discard()
                throw Obstacle(path: path, reason: SystemCallError.text(of: error.errno))
            }
        }
    }

    func discard() async { await onBlockingPool { pending.discard() } }
}
