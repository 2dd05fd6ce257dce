/// One step of a file operation: a change to a tree.
package struct FileAction: Hashable, Sendable {
    /// The tree that is changed.
    package var base: FileInput
    package var change: FileChange
    /// As which result of the node the changed tree is kept; nil for a tree that only later actions use.
    package var output: Int?

    package init(on base: FileInput, _ change: FileChange, output: Int?) {
        self.base = base
        self.change = change
        self.output = output
    }

    /// Every output of another node that the action refers to.
    var mentioned: [Output] {
        var inputs = [base]
        if case .copy(_, let source) = change { inputs.append(source) }
        let named = change.owner.map { [$0.user, $0.group].compactMap(\.self) } ?? []
        for case .named(_, let input) in named { inputs.append(input) }
        return inputs.compactMap { input in
            if case .output(let output) = input { output } else { nil }
        }
    }
}

/// A tree that a file action works on.
package enum FileInput: Hashable, Sendable {
    /// The empty tree.
    case scratch
    /// The result of another node.
    case output(Output)
    /// The result of an earlier action of the same operation.
    case action(Int)
}

/// What a file action does.
package enum FileChange: Hashable, Sendable {
    case copy(FileCopy, from: FileInput)
    case makeFile(FileCreation)
    case makeDirectory(DirectoryCreation)
    case symbolicLink(SymbolicLinkCreation)
    case remove(FileRemoval)

    /// The owner to give changed files; nil keeps them as they are.
    package var owner: Owner? {
        switch self {
        case .copy(let copy, _): copy.owner
        case .makeFile(let creation): creation.owner
        case .makeDirectory(let creation): creation.owner
        case .symbolicLink(let creation): creation.owner
        case .remove: nil
        }
    }
}

/// A copy from one tree to another, with the meanings of BuildKit's `FileActionCopy`.
package struct FileCopy: Hashable, Sendable {
    /// The path or pattern to copy, from the root of the source tree.
    package var source: [UInt8]
    /// Where to; with a trailing slash it is a directory.
    package var destination: [UInt8]
    package var owner: Owner?
    package var mode: ModeChange?
    /// Whether a link that `source` itself names is followed.
    package var followsLinks = false
    /// Whether a directory's entries are copied rather than the directory.
    package var copiesDirectoryContents = false
    /// Whether an archive is unpacked rather than copied, as `ADD` does.
    package var unpacksArchives = false
    package var createsDestination = false
    package var allowsWildcards = false
    package var allowsNoMatch = false
    /// Gives every copied file this time, in nanoseconds since 1970; nil keeps the file's own.
    package var timestamp: Int64?
    package var includePatterns: [[UInt8]] = []
    package var excludePatterns: [[UInt8]] = []
    /// Whether what is in the way is replaced even if it is of another type.
    package var replacesDestination = false
    /// Paths that must exist, whatever the patterns match.
    package var requiredPaths: [[UInt8]] = []

    package init(source: [UInt8], destination: [UInt8]) {
        self.source = source
        self.destination = destination
    }

    /// The copy that `COPY` (or with `unpacksArchives` `ADD`) asks for.
    package static func instruction(source: [UInt8], destination: [UInt8], unpacksArchives: Bool = false) -> FileCopy {
        var copy = FileCopy(source: source, destination: destination)
        copy.followsLinks = true
        copy.copiesDirectoryContents = true
        copy.createsDestination = true
        copy.allowsWildcards = true
        copy.allowsNoMatch = true
        copy.unpacksArchives = unpacksArchives
        return copy
    }
}

/// The permissions that copied files get.
package enum ModeChange: Hashable, Sendable {
    /// Permission bits with setuid, setgid and sticky: 0 to 0o7777.
    case bits(UInt32)
    /// As chmod(1) takes them, for example `u=rwX,go=rX`.
    case symbolic([UInt8])
}

/// A file to be written.
package struct FileCreation: Hashable, Sendable {
    package var path: [UInt8]
    package var mode: UInt32
    package var content: [UInt8]
    package var owner: Owner?
    package var timestamp: Int64?

    package init(path: [UInt8], mode: UInt32 = 0o644, content: [UInt8], owner: Owner? = nil, timestamp: Int64? = nil) {
        self.path = path
        self.mode = mode
        self.content = content
        self.owner = owner
        self.timestamp = timestamp
    }
}

/// A directory to be made; one that exists is left as it is.
package struct DirectoryCreation: Hashable, Sendable {
    package var path: [UInt8]
    package var mode: UInt32
    package var makesParents: Bool
    package var owner: Owner?
    package var timestamp: Int64?

    package init(
        path: [UInt8],
        mode: UInt32 = 0o755,
        makesParents: Bool = true,
        owner: Owner? = nil,
        timestamp: Int64? = nil
    ) {
        self.path = path
        self.mode = mode
        self.makesParents = makesParents
        self.owner = owner
        self.timestamp = timestamp
    }
}

/// A symbolic link to be made.
package struct SymbolicLinkCreation: Hashable, Sendable {
    package var path: [UInt8]
    package var target: [UInt8]
    package var owner: Owner?
    package var timestamp: Int64?

    package init(path: [UInt8], target: [UInt8], owner: Owner? = nil, timestamp: Int64? = nil) {
        self.path = path
        self.target = target
        self.owner = owner
        self.timestamp = timestamp
    }
}

/// Files to be removed.
package struct FileRemoval: Hashable, Sendable {
    package var path: [UInt8]
    package var allowsNotFound: Bool
    package var allowsWildcards: Bool

    package init(path: [UInt8], allowsNotFound: Bool = false, allowsWildcards: Bool = false) {
        self.path = path
        self.allowsNotFound = allowsNotFound
        self.allowsWildcards = allowsWildcards
    }
}

/// The owner of files.
///
/// A missing part is 0.
package struct Owner: Hashable, Sendable {
    package enum Account: Hashable, Sendable {
        case id(UInt32)
        /// Looked up in `/etc/passwd` or `/etc/group` of a tree, usually the action's base.
        case named([UInt8], in: FileInput)
    }

    package var user: Account?
    package var group: Account?

    package init(user: Account?, group: Account? = nil) {
        self.user = user
        self.group = group
    }
}
