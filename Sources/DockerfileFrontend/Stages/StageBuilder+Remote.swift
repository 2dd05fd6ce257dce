import DockerfileSyntax
import LLB
import OCI
internal import Text

/// A source of ADD other than a path: a git repository or a download.
enum RemoteKind {
    case http, git

    init?(of source: [UInt8]) {
        if GitSource.mayBeRepository(source) {
            self = .git
        } else if source.starts(with: "http://") || source.starts(with: "https://") {
            self = .http
        } else {
            return nil
        }
    }
}

/// ADD of what is elsewhere.
extension StageBuilder {
    /// The copy that puts something remote into the tree, and the node that brings it in.
    ///
    /// Both nodes are one step to the user, so they have one title.
    mutating func remoteCopy(
        of source: [UInt8],
        _ kind: RemoteKind,
        _ transfer: Transfer,
        title: [UInt8]
    ) throws(FrontendError) -> (action: FileCopy, source: Output) {
        switch kind {
        case .http: try download(source, transfer, title: title)
        case .git: try checkOut(source, transfer, title: title)
        }
    }

    private mutating func download(
        _ url: [UInt8],
        _ transfer: Transfer,
        title: [UInt8]
    ) throws(FrontendError) -> (action: FileCopy, source: Output) {
        var source = HTTPSource(url: url)
        let name = source.nameInAddress ?? "__unnamed__"
        source.file.name = name
        if let word = transfer.checksum {
            let text = try expand(word.bytes).displayText
            do throws(OCIError) { source.checksum = try Digest(parsing: text) } catch {
                throw failure(.invalidChecksum(error))
            }
        }
        let output: Output
        do throws(LLBError) { output = try Output.http(source, metadata: Metadata(name: title)) } catch {
            throw failure(.definition(error))
        }
        place(output)
        var copy = FileCopy(source: "/" + name, destination: [])
        copy.createsDestination = true
        copy.unpacksArchives = transfer.unpacks ?? false
        return (copy, output)
    }

    private mutating func checkOut(
        _ address: [UInt8],
        _ transfer: Transfer,
        title: [UInt8]
    ) throws(FrontendError) -> (action: FileCopy, source: Output) {
        var source: GitSource
        do throws(GitReferenceError) {
            guard let parsed = try GitSource(parsing: address) else {
                throw .invalidAddress(withoutCredentials(address).displayText)
            }
            source = parsed
        } catch {
            throw failure(.git(error))
        }
        if let keeps = transfer.keepsGitDirectory { source.keepsGitDirectory = keeps }
        if let word = transfer.checksum {
            let checksum = try expand(word.bytes)
            if let other = source.checksum, other != checksum {
                throw failure(.git(.conflict("checksum", checksum.displayText, other.displayText)))
            }
            source.checksum = checksum
        }
        let output: Output
        do throws(LLBError) { output = try Output.git(source, metadata: Metadata(name: title)) } catch {
            throw failure(.definition(error))
        }
        place(output)
        var copy = FileCopy(source: "/", destination: [])
        copy.copiesDirectoryContents = true
        copy.createsDestination = true
        return (copy, output)
    }
}
