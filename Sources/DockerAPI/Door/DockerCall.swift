internal import LinuxSystem
internal import RPC
internal import Text

/// A request of Docker's API in a version that this daemon has.
struct DockerCall: Sendable {
    /// The largest document that is read, in bytes.
    private static let documentLimit = 4 << 20

    let version: APIVersion
    let query: FormQuery
    let body: WebBody
    /// What the names in the route's pattern stand for.
    let values: [String: String]
    private let question: WebQuestion

    /// - Throws: `DockerAPIError`.
    init(_ question: WebQuestion, values: [String: String]) throws(DockerAPIError) {
        let text = question.pathVersion
        version = text.map { APIVersion(parsing: $0) } ?? .latest
        if version < .oldest { throw .tooOld("\(version)") }
        if version > .latest { throw .tooNew("\(version)") }
        query = try FormQuery(parsing: question.query)
        body = question.body
        self.values = values
        self.question = question
    }

    /// What a name in the pattern stands for.
    subscript(name: String) -> String { values[name] ?? "" }

    var asksForUpgrade: Bool { question.asksForUpgrade }

    func header(_ name: String) -> String? { question.values(name).first }

    /// The document that the request brings; an empty one where it brings none.
    /// - Throws: `DockerAPIError` where it is too large or too deep, or no object.
    func document() async throws -> DocumentFields {
        guard let bytes = try await body.bytes(limit: Self.documentLimit) else {
            throw DockerAPIError.bodyTooLarge(Self.documentLimit)
        }
        if bytes.allSatisfy({ $0 == " " || $0 == "\n" || $0 == "\r" || $0 == "\t" }) {
            return DocumentFields([:], at: "")
        }
        return try DocumentFields(parsing: bytes)
    }

    /// The parameter `filters`, in the form of the command line: `name=value` each.
    /// - Throws: `DockerAPIError`.
    func filters() throws(DockerAPIError) -> [String] {
        let text = query["filters"]
        if text.isEmpty { return [] }
        let document = try BoundedJSON.parse(Array(text.utf8), of: "filters")
        guard case .object(let members) = document else {
            throw .invalidJSON(parameter: "filters", reason: "an object is expected")
        }
        var filters: [String] = []
        for member in members {
            switch member.value {
            // {"label": {"a=b": true}}
            case .object(let values):
                for value in values where value.value != .bool(false) { filters.append("\(member.name)=\(value.name)") }
            // {"label": ["a=b"]}, as before version 1.22.
            case .array(let values):
                for case .string(let value) in values { filters.append("\(member.name)=\(value)") }
            case .null: continue
            default: throw .invalidJSON(parameter: "filters", reason: "the value of \(member.name) is no map")
            }
        }
        return filters
    }

    /// A moment: seconds since 1970, with a fraction or without, or a date; nil where it is not given or 0.
    /// - Throws: `DockerAPIError`.
    func moment(_ name: String) throws(DockerAPIError) -> FileTime? {
        let text = query[name]
        if text.isEmpty || text == "0" { return nil }
        guard let moment = WrittenMoment(text) else { throw .invalidMoment(parameter: name, value: text) }
        return FileTime(moment, now: .now())
    }
}

/// JSON of clients, of which no depth makes the reader fail.
enum BoundedJSON {
    private static let depthLimit = 64

    /// - Parameters:
    ///   - bytes: the text.
    ///   - name: what it is the value of, for messages.
    /// - Returns: the document.
    /// - Throws: `DockerAPIError`.
    static func parse(_ bytes: [UInt8], of name: String) throws(DockerAPIError) -> JSONValue {
        var depth = 0
        var isInString = false
        var isEscaped = false
        for byte in bytes {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == "\\" {
                    isEscaped = true
                } else if byte == "\"" {
                    isInString = false
                }
                continue
            }
            switch byte {
            case "\"": isInString = true
            case "[", "{":
                depth += 1
                if depth > depthLimit {
                    throw .invalidJSON(parameter: name, reason: "it is deeper than \(depthLimit) levels")
                }
            case "]", "}": depth -= 1
            default: break
            }
        }
        do { return try JSONValue(parsing: bytes) } catch {
            throw .invalidJSON(parameter: name, reason: "it is not JSON")
        }
    }
}
