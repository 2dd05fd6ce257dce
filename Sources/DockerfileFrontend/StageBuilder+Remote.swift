import DockerfileSyntax
import LLB
import OCI

/// What a source of ADD that is no path is: a git repository or something to download.
enum RemoteKind {
    case http, git

    init?(of source: [UInt8]) {
        let address = source.prefix { $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: "?") }
        if source.starts(with: "http://".utf8) || source.starts(with: "https://".utf8) {
            self = address.suffix(4).elementsEqual(".git".utf8) ? .git : .http
            return
        }
        let gitSchemes: [StaticString] = ["git://", "ssh://", "git@"]
        guard gitSchemes.contains(where: { source.starts(with: $0) }) else { return nil }
        self = .git
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
        case .git: throw failure(.unsupported("ADD of a git repository"))
        }
    }

    private mutating func download(
        _ url: [UInt8],
        _ transfer: Transfer,
        title: [UInt8]
    ) throws(FrontendError) -> (action: FileCopy, source: Output) {
        var source = HTTPSource(url: url)
        let name = source.nameInAddress ?? Array("__unnamed__".utf8)
        source.fileName = name
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
        var copy = FileCopy(source: [UInt8(ascii: "/")] + name, destination: [])
        copy.createsDestination = true
        copy.unpacksArchives = transfer.unpacks ?? false
        return (copy, output)
    }
}

/// Text with the user information of web addresses masked, as it may be shown and kept.
func withoutCredentials(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var rest = text[...]
    let mark: [UInt8] = Array("://".utf8)
    while let start = rest.indices.first(where: { rest[$0...].starts(with: mark) }) {
        let isWeb = rest[..<start].hasSuffix("http") || rest[..<start].hasSuffix("https")
        result += rest[..<start] + mark
        rest = rest[(start + mark.count)...]
        let authority = rest.prefix { !"/?# \t\"',]".utf8.contains($0) }
        guard isWeb, let at = authority.lastIndex(of: UInt8(ascii: "@")) else { continue }
        result += authority[..<at].contains(UInt8(ascii: ":")) ? Array("xxxxx:xxxxx".utf8) : Array("xxxxx".utf8)
        rest = rest[at...]
    }
    return result + rest
}

extension ArraySlice<UInt8> {
    fileprivate func hasSuffix(_ text: StaticString) -> Bool {
        text.withUTF8Buffer { suffix($0.count).elementsEqual($0) }
    }
}
