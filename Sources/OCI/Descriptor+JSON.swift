package import Text

extension Descriptor {
    /// The document, with its members in the order of Go's.
    package var json: JSONValue {
        var members: [JSONValue.Member] = [
            .init("mediaType", .string(mediaType.rawValue)), .init("digest", .string(digest.description)),
            .init("size", .number(Int(size))),
        ]
        if let annotations, !annotations.isEmpty {
            members.append(.init("annotations", .object(sorting: annotations.mapValues { .string($0) })))
        }
        if let platform { members.append(.init("platform", platform.json)) }
        return .object(members)
    }
}

extension Platform {
    fileprivate var json: JSONValue {
        var members: [JSONValue.Member] = [
            .init("architecture", .string(architecture)), .init("os", .string(os)),
        ]
        if let osVersion { members.append(.init("os.version", .string(osVersion))) }
        if let variant { members.append(.init("variant", .string(variant))) }
        return .object(members)
    }
}
