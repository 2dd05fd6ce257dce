internal import DockerfileSyntax
package import LinuxSystem
package import OCI
internal import Text

/// Why a step cannot be keyed or run, in the words that users of docker know.
package enum OperationError: Error, Sendable, CustomStringConvertible {
    /// A path of `COPY` or `ADD` that the source does not have.
    case notFound(path: [UInt8], in: [UInt8], hint: NotFoundHint?)
    /// The same where the source is no input by whose files the step is keyed.
    case notFoundWhileCopying(path: [UInt8], hint: NotFoundHint?)
    case notADirectory([UInt8])
    /// A directory of the image is in the way of a file.
    case directoryInTheWay([UInt8])
    case parentMissing([UInt8])
    case invalidPath([UInt8], reason: String)
    case invalidPattern([UInt8])
    case invalidMode([UInt8])
    case tooManyLinks([UInt8])
    /// `advice` is what probably is to blame and what to do about it; nil where nothing is known.
    case processFailed(arguments: [[UInt8]], exitCode: Int32, reason: String?, advice: String?)
    case unknownLocalDirectory([UInt8])
    /// An image that is not the one that the graph says it is.
    case imageMismatch(ImageReference, Digest, expected: Digest)
    case unsupported(String)
    case fileSystem(SystemCallError, path: [UInt8])

    /// What may have been meant by a path that is not there.
    package enum NotFoundHint: Hashable, Sendable {
        case didYouMean([UInt8])
        /// The path exists and a pattern keeps it out of the build; nil where it is none of an ignore file.
        case ignored(by: [UInt8]?)
        /// Nothing of a similar name is there: this is what the directory has.
        case present([[UInt8]], in: [UInt8])
    }

    /// What probably is to blame and what to do about it; nil where nothing is known.
    package var advice: String? {
        if case .processFailed(_, _, _, let advice) = self { advice } else { nil }
    }

    package var description: String {
        switch self {
        case .notFound(let path, let source, let hint):
            "failed to compute cache key: failed to calculate checksum of ref \(escapedForDisplay(source)): "
                + "\(quoted(path).displayText): not found\(Self.text(of: hint))"
        case .notFoundWhileCopying(let path, let hint):
            "lstat \(escapedForDisplay(path)): no such file or directory\(Self.text(of: hint))"
        case .notADirectory(let path): "cannot copy to non-directory: \(escapedForDisplay(path))"
        case .directoryInTheWay(let path): "cannot replace to directory \(escapedForDisplay(path)) with file"
        case .parentMissing(let path): "failed to stat \(escapedForDisplay(path)): no such file or directory"
        case .invalidPath(let path, let reason): "invalid path \(quoted(path).displayText): \(reason)"
        case .invalidPattern(let pattern): "invalid pattern \(quoted(pattern).displayText): syntax error in pattern"
        case .invalidMode(let mode): "invalid chmod parameter: '\(escapedForDisplay(mode))'"
        case .tooManyLinks(let path): "too many levels of symbolic links: \(escapedForDisplay(path))"
        case .processFailed(let arguments, let exitCode, let reason, _):
            "process \(quoted(Array(arguments.joined(separator: [" "]))).displayText) did not complete successfully: "
                + "exit code: \(exitCode)\(reason.map { ": \($0)" } ?? "")"
        case .unknownLocalDirectory(let name): "no local directory \(quoted(name).displayText) was given to the build"
        case .imageMismatch(let image, let actual, let expected):
            "image digest \(actual) for \(image) does not match expected checksum \(expected)"
        case .unsupported(let what): what
        case .fileSystem(let error, let path):
            "\(error.call) \(escapedForDisplay(path)): \(SystemCallError.text(of: error.errno))"
        }
    }

    private static func text(of hint: NotFoundHint?) -> String {
        switch hint {
        case .didYouMean(let path): " (did you mean \(quoted(path).displayText)?)"
        case .ignored(nil): " (it exists, but .dockerignore keeps it out of the build)"
        case .ignored(let pattern?):
            " (it exists, but the pattern \(quoted(pattern).displayText) of .dockerignore keeps it out of the build)"
        case .present(let names, let directory): " (\(NotFoundHint.text(of: names, in: directory)))"
        case nil: ""
        }
    }
}

extension OperationError.NotFoundHint {
    fileprivate static func text(of names: [[UInt8]], in directory: [UInt8]) -> String {
        let place = quoted(directory).displayText
        if names.isEmpty { return "\(place) is empty" }
        let shown = names.prefix(8).map { escapedForDisplay($0) }.joined(separator: ", ")
        return "\(place) has \(shown)" + (names.count > 8 ? " and \(names.count - 8) more" : "")
    }
}

extension OperationError: CausedError {
    package var cause: (any Error)? {
        switch self {
        case .fileSystem(let error, _): error
        case .notFound, .notFoundWhileCopying, .notADirectory, .directoryInTheWay, .parentMissing, .invalidPath,
            .invalidPattern, .invalidMode,
            .tooManyLinks, .processFailed, .unknownLocalDirectory, .imageMismatch, .unsupported:
            nil
        }
    }
}
