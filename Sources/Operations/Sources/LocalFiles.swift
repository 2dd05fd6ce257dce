package import BuildGraph
package import LLB
package import SystemPackage

/// Finds the directories that a client offers its build under names.
package protocol LocalFiles: Sendable {
    /// Where the files are that a source asks for, and maybe others.
    ///
    /// The build reads them in place until its end.
    /// - Throws: `OperationError.unknownLocalDirectory` for a name that the client does not offer, and what bringing the
    ///   files here throws.
    func directory(for source: LocalSource, _ step: OperationContext) async throws -> LocalPlace

    /// The build is over: what was brought here for it may go.
    func end() async
}

extension LocalFiles {
    package func end() async {}
}

/// A directory of this machine that has files of a client.
package struct LocalPlace: Sendable {
    package let path: FilePath
    /// What is known of the directory as it is; nil for one that anybody may change.
    package let known: KnownFiles?

    package init(_ path: FilePath, known: KnownFiles? = nil) {
        self.path = path
        self.known = known
    }
}

/// Directories of this machine.
package struct LocalDirectories: LocalFiles {
    private let paths: [[UInt8]: FilePath]

    /// - Parameter paths: by the names that sources use.
    package init(_ paths: [[UInt8]: FilePath] = [:]) { self.paths = paths }

    package func directory(for source: LocalSource, _ step: OperationContext) throws -> LocalPlace {
        guard let path = paths[source.name] else { throw OperationError.unknownLocalDirectory(source.name) }
        return LocalPlace(path)
    }
}
