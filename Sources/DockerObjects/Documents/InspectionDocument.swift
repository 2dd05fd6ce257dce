package import Containers
package import GoTemplate
package import Images
internal import LinuxSystem
internal import OCI
internal import Terminal
internal import Text

/// The documents of `inspect`, field by field in docker's order.
package enum InspectionDocument {
    /// The document of an image.
    package static func image(_ image: ImageInspection) -> TemplateValue {
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
    package static func document(
        _ fields: [(String, TemplateValue)],
        absent: [(String, TemplateValue)] = []
    ) -> TemplateValue {
        .record(TemplateRecord(name: nil, fields + absent, omitting: Set(absent.map(\.0))))
    }

    package static let nothing = TemplateValue.null(printedAs: "<nil>")
    package static let emptyList = TemplateValue.null(printedAs: "[]")
    package static let emptyMap = TemplateValue.null(printedAs: "map[]")

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

extension InspectionDocument {
    /// The document of a volume.
    package static func volume(_ volume: VolumeRecord) -> TemplateValue {
        let labels = volume.labels
        return document([
            ("CreatedAt", .text(TimeText.local(volume.created))), ("Driver", .text("local")),
            ("Labels", labels.isEmpty ? .null(printedAs: "map[]") : .labels(labels)),
            ("Mountpoint", .text(escapedForDisplay(volume.content.bytes))), ("Name", .text(volume.name)),
            ("Options", .null(printedAs: "map[]")), ("Scope", .text("local")),
        ])
    }
}
