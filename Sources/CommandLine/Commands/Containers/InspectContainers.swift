internal import Containers
internal import DockerObjects
internal import GoTemplate
internal import Images
internal import LinuxSystem
internal import OCI
internal import Storage
internal import SystemPackage
internal import Terminal
internal import Text

/// `slipway inspect`: of containers and images alike.
struct InspectCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "NAME|ID [NAME|ID...]",
        summary: "Return low-level information on objects",
        arguments: .atLeast(1),
        completion: .containers
    )
    static let flags: [Flag<InspectCommand>] = [
        .format(short: "f", \.format, listsTables: false),
        .toggle("size", short: "s", \.showsSize, help: "Display total file sizes if the type is container"),
        .value(
            "type",
            \.typeName,
            placeholder: "string",
            completion: .words(Kind.allCases.map(\.rawValue)),
            help: "Only inspect objects of the given type"
        ) { bytes throws(FlagValueError) in try FlagValues.text(bytes) },
    ]

    enum Kind: String, Sendable, CaseIterable { case container, image, volume }

    var arguments: [[UInt8]] = []
    var format: String?
    var showsSize = false
    var typeName: String?

    /// - Throws: `CommandFailure` for what is no type; to docker it is no wrong usage.
    private func chosenType() throws(CommandFailure) -> Kind? {
        guard let typeName else { return nil }
        if let kind = Kind(rawValue: typeName) { return kind }
        let known = Kind.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        throw CommandFailure("unknown type: \"\(typeName)\": must be one of \(known)")
    }

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let type = try chosenType()
        let engine = try await environment.engine(freesSpace: true)
        let containers = try environment.containers(engine)
        let showsSize = showsSize
        let status = try await inspectEach(try textArguments(), format, environment) { name in
            if type == .volume { return InspectionDocument.volume(try await containers.findVolume(name)) }
            if type != .image {
                do throws(any Error) {
                    let record = try await containers.container(name)
                    var size: Int64?
                    if showsSize { size = try await engine.images.size(of: record.configuration.imageID) }
                    return try await InspectionDocument.container(record, in: containers, sizeOfImage: size)
                } catch let error as ContainerError {
                    guard type == nil, case .notFound = error else { throw error }
                }
            }
            do {
                return InspectionDocument.image(try await engine.images.inspect(name, platform: nil))
            } catch let error where type == nil && Self.meansNoImage(error) {
                do throws(any Error) {
                    return InspectionDocument.volume(try await containers.findVolume(name))
                } catch ContainerError.volumeNotFound {
                    throw CommandError.noSuchObject(name)
                }
            }
        }
        await engine.store.close()
        return status
    }
}

extension InspectCommand {
    /// Whether nothing is called so; a name that no image can have may still be a volume's.
    fileprivate static func meansNoImage(_ error: any Error) -> Bool {
        if case ImageError.noSuchImage? = error as? ImageError { return true }
        return error is OCIError
    }
}

/// `slipway container inspect`.
struct InspectContainersCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER [CONTAINER...]",
        summary: "Display detailed information on one or more containers",
        arguments: .atLeast(1),
        completion: .containers
    )
    static let flags: [Flag<InspectContainersCommand>] = [
        .format(short: "f", \.format, listsTables: false),
        .toggle("size", short: "s", \.showsSize, help: "Display total file sizes"),
    ]

    var arguments: [[UInt8]] = []
    var format: String?
    var showsSize = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        var command = InspectCommand()
        command.arguments = arguments
        command.format = format
        command.showsSize = showsSize
        command.typeName = InspectCommand.Kind.container.rawValue
        return try await command.run(environment)
    }
}

/// Prints the documents of what is found, and then why others were not.
func inspectEach(
    _ names: [String],
    _ format: String?,
    _ environment: SlipwayEnvironment,
    _ document: (String) async throws -> TemplateValue
) async throws -> CommandStatus {
    let printer = try InspectionPrinter(format)
    var documents: [TemplateValue] = []
    var failures = ""
    for name in names {
        do {
            let found = try await document(name)
            // A template may ask for what one thing has and another has not.
            try printer.check(found)
            documents.append(found)
        } catch let error as TemplateError {
            failures += "\(error)\n"
        } catch let error where error is ImageError || error is ContainerError || error is CommandError {
            failures += "Error: \(error)\n"
        }
    }
    let text = try printer.text(documents)
    // As docker: where a template has nothing to say, its line is empty.
    try await environment.output.writeFormatted(text.isEmpty ? "\n" : text)
    try await environment.errorOutput.write(failures)
    return failures.isEmpty ? .success : .failure
}
