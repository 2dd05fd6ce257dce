package import BuildGraph
package import LLB
package import SystemPackage

/// Finds the directories that a client offers its build under names.
package protocol LocalFiles: Sendable {
    /// A directory of this machine that has the files a source asks for, and maybe others.
    ///
    /// The build reads it in place until its end.
    /// - Throws: `OperationError.unknownLocalDirectory` for a name that the client does not offer, and what bringing the
    ///   files here throws.
    func directory(for source: LocalSource, _ step: OperationContext) async throws -> FilePath

    /// The build is over: what was brought here for it may go.
    func end() async
}

extension LocalFiles {
    package func end() async {}
}

/// Directories of this machine.
package struct LocalDirectories: LocalFiles {
    private let paths: [[UInt8]: FilePath]

    /// - Parameter paths: by the names that sources use.
    package init(_ paths: [[UInt8]: FilePath] = [:]) { self.paths = paths }

    package func directory(for source: LocalSource, _ step: OperationContext) throws -> FilePath {
        guard let path = paths[source.name] else { throw OperationError.unknownLocalDirectory(source.name) }
        return path
    }
}
