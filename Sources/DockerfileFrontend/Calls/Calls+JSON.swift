import DockerfileSyntax
package import Text

// The documents that BuildKit's frontend answers with, member by member.

extension CheckReport {
    /// The answer of `frontend.lint`.
    ///
    /// BuildKit's has the definition of the Dockerfile's source besides, which means something only in the session it came from.
    package var json: JSONValue {
        var members: [JSONValue.Member] = [
            .init("warnings", warnings.isEmpty ? .null : .array(warnings.map(Self.json))),
            .init("sources", .array([Self.json(source)])),
        ]
        if let error {
            let location = error.ranges.isEmpty ? JSONValue.object([]) : locationJSON(error.ranges)
            members.append(
                .init("buildError", .object([.init("message", .string(error.message)), .init("location", location)]))
            )
        }
        return .object(members)
    }

    private static func json(_ warning: LintWarning) -> JSONValue {
        var members: [JSONValue.Member] = [
            .init("ruleName", .string(warning.rule.rawValue)), .init("description", .string(warning.rule.summary)),
        ]
        if let url = warning.rule.url { members.append(.init("url", .string(url))) }
        members.append(.init("detail", .string(warning.message)))
        members.append(.init("location", locationJSON([warning.range])))
        return .object(members)
    }

    private static func json(_ source: SourceText) -> JSONValue {
        var members: [JSONValue.Member] = [.init("filename", .string(source.name))]
        if !source.bytes.isEmpty { members.append(.init("data", .bytes(source.bytes))) }
        members.append(.init("language", .string("Dockerfile")))
        return .object(members)
    }
}

extension Outline {
    /// The answer of `frontend.outline`.
    package var json: JSONValue {
        var members: [JSONValue.Member] = []
        if !name.isEmpty { members.append(.init("name", .string(name))) }
        if !documentation.isEmpty { members.append(.init("description", text(documentation))) }
        if !arguments.isEmpty { members.append(.init("args", .array(arguments.map(Self.json)))) }
        if !secrets.isEmpty { members.append(.init("secrets", .array(secrets.map(Self.json)))) }
        if !agents.isEmpty { members.append(.init("ssh", .array(agents.map(Self.json)))) }
        members.append(.init("sources", .array([.bytes(source.bytes)])))
        return .object(members)
    }

    private static func json(_ argument: Argument) -> JSONValue {
        var members: [JSONValue.Member] = [.init("name", text(argument.name))]
        if !argument.documentation.isEmpty { members.append(.init("description", text(argument.documentation))) }
        if !argument.value.isEmpty { members.append(.init("value", text(argument.value))) }
        members.append(.init("location", locationJSON([argument.range])))
        return .object(members)
    }

    private static func json(_ need: Need) -> JSONValue {
        var members: [JSONValue.Member] = [.init("name", text(need.name))]
        if need.isRequired { members.append(.init("required", .bool(true))) }
        members.append(.init("location", locationJSON([need.range])))
        return .object(members)
    }
}

extension Dockerfile {
    /// The answer of `frontend.targets`: the stages, as they are written.
    package var targetsJSON: JSONValue {
        .object([
            .init("targets", .array(stages.map(json))), .init("sources", .array([.bytes(source.bytes)])),
        ])
    }

    private func json(_ stage: Stage) -> JSONValue {
        var members: [JSONValue.Member] = []
        if let name = stage.name { members.append(.init("name", .string(name))) }
        if stage.index == stages.count - 1 { members.append(.init("default", .bool(true))) }
        if let documentation = stage.from.documentation, !documentation.isEmpty {
            members.append(.init("description", text(documentation)))
        }
        members.append(.init("base", text(stage.from.image.bytes)))
        if let platform = stage.from.platform { members.append(.init("platform", text(platform.bytes))) }
        members.append(.init("location", locationJSON([stage.instruction.range])))
        return .object(members)
    }
}

/// What a frontend can be asked besides building.
package struct FrontendRequest: Sendable {
    package let name: String
    package let version: String
    package let summary: String
    let options: [(name: String, summary: String)]?

    /// Those that BuildKit's frontend lists; `frontend.lint` works too, and is not listed.
    package static let all = [
        FrontendRequest(
            name: "frontend.outline",
            version: "1.0.0",
            summary: "List all parameters current build target supports",
            options: [("target", "Target build stage")]
        ),
        FrontendRequest(
            name: "frontend.targets",
            version: "1.0.0",
            summary: "List all targets current build supports",
            options: []
        ),
        FrontendRequest(
            name: "frontend.subrequests.describe",
            version: "1.0.0",
            summary: "List available subrequest types",
            options: nil
        ),
    ]

    /// The answer of `frontend.subrequests.describe`.
    package static var json: JSONValue { .array(all.map(\.json)) }

    private var json: JSONValue {
        func named(_ name: String, _ summary: String) -> JSONValue {
            .object([.init("name", .string(name)), .init("description", .string(summary))])
        }
        return .object([
            .init("name", .string(name)), .init("version", .string(version)), .init("type", .string("rpc")),
            .init("description", .string(summary)),
            .init("opts", options.map { .array($0.map { named($0.name, $0.summary) }) } ?? .null),
            .init("inputs", .null),
            .init("metadata", .array([named("result.json", ""), named("result.txt", "")])),
            .init("refs", .null),
        ])
    }
}

private func text(_ bytes: [UInt8]) -> JSONValue { .string(bytes.displayText) }

/// BuildKit gives a range for every line.
private func locationJSON(_ ranges: [SourceRange]) -> JSONValue {
    let lines = ranges.flatMap { Array($0.lines) }
    return .object([
        .init(
            "ranges",
            .array(
                lines.map { line in
                    let position = JSONValue.object([.init("line", .number(line))])
                    return .object([.init("start", position), .init("end", position)])
                }
            )
        )
    ])
}
