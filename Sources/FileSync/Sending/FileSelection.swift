package import LinuxSystem
internal import Text

/// Which entries of a directory are sent: those that match an include pattern, if there are any, and no exclude pattern.
package struct FileSelection: Sendable {
    private let includes: IgnoreFile?
    private let excludes: IgnoreFile?

    package static let everything = FileSelection(includes: nil, excludes: nil)

    private init(includes: IgnoreFile?, excludes: IgnoreFile?) {
        self.includes = includes
        self.excludes = excludes
    }

    /// - Throws: `FileSyncError.invalidPatterns`.
    package init(includes: [[UInt8]], excludes: [[UInt8]]) throws(FileSyncError) {
        self.includes = try Self.compiled(includes)
        self.excludes = try Self.compiled(excludes)
    }

    /// The same, with what paths lead to in a directory, and the links on the way there, among the includes.
    /// - Throws: `FileSyncError.invalidPatterns`; `SystemCallError` for what cannot be read.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(
        includes: [[UInt8]],
        excludes: [[UInt8]],
        following paths: [[UInt8]],
        in directory: RootedDirectory
    ) throws {
        var patterns = includes
        if !paths.isEmpty, let followed = try LinkFollower.patterns(for: paths, in: directory) {
            patterns += followed
            // The directory itself is everything in it.
            if patterns.contains(".") { patterns = [] }
        }
        try self.init(includes: patterns, excludes: excludes)
    }

    private static func compiled(_ patterns: [[UInt8]]) throws(FileSyncError) -> IgnoreFile? {
        if patterns.isEmpty { return nil }
        do throws(IgnoreFileError) {
            return try IgnoreFile(patterns: patterns)
        } catch {
            throw .invalidPatterns(error.description)
        }
    }

    /// What is known of a directory, for judging what lies in it.
    struct Verdict: Sendable {
        fileprivate var include = IgnoreFile.Verdict.root
        fileprivate var exclude = IgnoreFile.Verdict.root
        var isSelected = true
        /// Whether something below may be selected.
        var maySelectBelow = true
    }

    func verdict(on path: [UInt8], in directory: Verdict) -> Verdict {
        var verdict = Verdict()
        if let includes {
            verdict.include = includes.verdict(for: path, in: directory.include)
            verdict.isSelected = verdict.include.isIgnored
        }
        if let excludes {
            verdict.exclude = excludes.verdict(for: path, in: directory.exclude)
            if verdict.exclude.isIgnored {
                verdict.isSelected = false
                verdict.maySelectBelow = excludes.mayReinclude(below: path, verdict: verdict.exclude)
            }
        }
        return verdict
    }
}
