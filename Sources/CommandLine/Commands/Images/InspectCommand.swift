internal import GoTemplate
internal import Images
internal import OCI
internal import Storage
internal import Terminal

/// `slipway image inspect`.
struct InspectImagesCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "IMAGE [IMAGE...]",
        summary: "Display detailed information on one or more images",
        arguments: .atLeast(1),
        completion: .images
    )
    static let flags: [Flag<InspectImagesCommand>] = [
        .format(short: "f", \.format, listsTables: false),
        .value("platform", \.platform, placeholder: "string", help: "Inspect the image for this platform") {
            bytes throws(FlagValueError) in
            try platformValue(bytes)
        },
    ]

    var arguments: [[UInt8]] = []
    var format: String?
    var platform: Platform?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let engine = try await environment.engine(freesSpace: true)
        let platform = platform
        let status = try await inspectEach(try textArguments(), format, environment) { name in
            InspectionDocument.image(try await engine.images.inspect(name, platform: platform))
        }
        await engine.store.close()
        return status
    }
}

extension Flag {
    /// A flag that takes platforms: several with commas between them, and several times.
    static func platforms(
        _ name: String,
        _ path: Path<[Platform]>,
        placeholder: String = "strings",
        help: String
    ) -> Flag {
        .values(name, path, placeholder: placeholder, help: help) { bytes throws(FlagValueError) in
            try platformValues(bytes)
        }
    }
}

/// Reads platforms with commas between them.
func platformValues(_ bytes: [UInt8]) throws(FlagValueError) -> [Platform] {
    var platforms: [Platform] = []
    for part in try FlagValues.commaSeparated(bytes) { platforms.append(try platformValue(part)) }
    return platforms
}

/// Reads `os/architecture/variant`; `local` is this machine's.
func platformValue(_ bytes: [UInt8]) throws(FlagValueError) -> Platform {
    let text = try FlagValues.text(bytes)
    if text == "local" { return .current }
    do throws(OCIError) {
        return try Platform(parsing: text)
    } catch {
        throw FlagValueError("\(error)")
    }
}

/// How `inspect` prints its documents: an array over many lines, or a template's text for each.
struct InspectionPrinter {
    private enum Form { case array, lines, template(Template) }
    private let form: Form

    /// - Throws: `CommandFailure` with docker's status for a template that cannot be read.
    init(_ format: String?) throws {
        switch format {
        case nil, ""?: form = .array
        case "json"?: form = .lines
        case let text?:
            do throws(TemplateError) {
                form = .template(try Template(text))
            } catch {
                throw CommandFailure("\(error)", status: CommandStatus(rawValue: 64))
            }
        }
    }

    /// - Throws: `TemplateError` if the template cannot be applied to a document.
    func check(_ document: TemplateValue) throws(TemplateError) {
        if case .template(let template) = form { _ = try template.render(document) }
    }

    func text(_ documents: [TemplateValue]) throws(TemplateError) -> String {
        switch form {
        case .array: return TemplateValue.list(documents).indentedJSON() + "\n"
        case .lines: return TemplateValue.list(documents).json() + "\n"
        case .template(let template):
            var text = ""
            for document in documents { text += try template.render(document) + "\n" }
            return text
        }
    }
}

/// The documents of `inspect`, field by field in docker's order.
enum InspectionDocument {
    static func image(_ image: ImageInspection) -> TemplateValue {
        var fields: [(String, TemplateValue)] = [
            ("Id", .text(image.id)), ("RepoTags", .texts(image.repoTags)), ("RepoDigests", .texts(image.repoDigests)),
            ("Comment", .text(image.comment)),
        ]
        if let created = image.created { fields.append(("Created", .text(created))) }
        fields += [
            ("Author", .text(image.author)), ("Config", defaults(image.config)),
            ("Architecture", .text(image.architecture)),
        ]
        if let variant = image.variant { fields.append(("Variant", .text(variant))) }
        fields.append(("Os", .text(image.os)))
        if let version = image.osVersion { fields.append(("OsVersion", .text(version))) }
        fields += [
            ("Size", .integer(image.size)),
            ("GraphDriver", document([("Name", .text(image.graphDriver.name)), ("Data", .null(printedAs: "map[]"))])),
            ("RootFS", document([("Type", .text(image.rootFS.type)), ("Layers", .texts(image.rootFS.layers))])),
            ("Metadata", document([("LastTagTime", .text(image.metadata.lastTagTime))])),
        ]
        return document(fields)
    }

    /// - Parameters:
    ///   - fields: the document, field by field.
    ///   - absent: fields that have no value: templates find them, JSON leaves them out.
    /// - Returns: a value that prints as a map.
    static func document(
        _ fields: [(String, TemplateValue)],
        absent: [(String, TemplateValue)] = []
    ) -> TemplateValue {
        .record(TemplateRecord(name: nil, fields + absent, omitting: Set(absent.map(\.0))))
    }

    static let nothing = TemplateValue.null(printedAs: "<nil>")
    static let emptyList = TemplateValue.null(printedAs: "[]")
    static let emptyMap = TemplateValue.null(printedAs: "map[]")

    /// What containers start with; what is not set is left out where docker leaves it out, and null where it does not.
    private static func defaults(_ config: ContainerDefaults) -> TemplateValue {
        func texts(_ list: [String]?) -> TemplateValue { list.map { .texts($0) } ?? .null(printedAs: "[]") }
        func set(_ set: [String: EmptyObject]?) -> TemplateValue? {
            set.map { .map($0.mapValues { _ in document([]) }, missing: .nothing) }
        }
        var absent: [(String, TemplateValue)] = []
        var fields: [(String, TemplateValue)] = [("User", .text(config.user ?? ""))]
        if let ports = set(config.exposedPorts) {
            fields.append(("ExposedPorts", ports))
        } else {
            absent.append(("ExposedPorts", emptyMap))
        }
        fields += [("Env", texts(config.environment)), ("Cmd", texts(config.command))]
        if let health = config.healthcheck {
            fields.append(("Healthcheck", healthcheck(health)))
        } else {
            absent.append(("Healthcheck", nothing))
        }
        if let escaped = config.argumentsEscaped { fields.append(("ArgsEscaped", .boolean(escaped))) }
        if let volumes = set(config.volumes) {
            fields.append(("Volumes", volumes))
        } else {
            absent.append(("Volumes", emptyMap))
        }
        fields += [
            ("WorkingDir", .text(config.workingDirectory ?? "")), ("Entrypoint", texts(config.entrypoint)),
            ("OnBuild", texts(config.onBuild)),
            ("Labels", config.labels.map { .labels($0) } ?? .null(printedAs: "map[]")),
        ]
        if let signal = config.stopSignal {
            fields.append(("StopSignal", .text(signal)))
        } else {
            absent.append(("StopSignal", .text("")))
        }
        if let shell = config.shell {
            fields.append(("Shell", .texts(shell)))
        } else {
            absent.append(("Shell", emptyList))
        }
        return document(fields, absent: absent)
    }

    static func healthcheck(_ health: Healthcheck) -> TemplateValue {
        let numbers: [(String, Int64?)] = [
            ("Interval", health.interval), ("Timeout", health.timeout), ("StartPeriod", health.startPeriod),
            ("StartInterval", health.startInterval), ("Retries", health.retries.map { Int64($0) }),
        ]
        return document(
            [("Test", .texts(health.test ?? []))]
                + numbers.compactMap { name, value in value.map { (name, .integer($0)) } }
        )
    }
}
