internal import Containers
internal import Terminal

extension Flag {
    /// `--filter`, each as it was written once its form is known to be right.
    static func filter(
        short shorthand: Character? = nil,
        _ path: Path<[String]>,
        help: String = "Filter output based on conditions provided"
    ) -> Flag {
        .values("filter", short: shorthand, path, placeholder: "filter", help: help) { bytes throws(FlagValueError) in
            let text = try FlagValues.text(bytes)
            guard text.contains("=") else { throw FlagValueError("bad format of filter (expected name=value)") }
            return [text]
        }
    }

    /// `--timeout`, and what docker called it before.
    static func timeToStop(_ path: Path<Int?>) -> [Flag] {
        [
            .value(
                "timeout",
                short: "t",
                path,
                placeholder: "int",
                help: "Seconds to wait before killing the container",
                FlagValues.integer
            ),
            .value("time", path, placeholder: "int", help: "The former name of --timeout", FlagValues.integer).hidden,
        ]
    }
}

extension RunnableCommand {
    /// Runs `body` for each container that the arguments name, prints the name after it, and goes on after a failure.
    func forEachContainer(
        _ environment: SlipwayEnvironment,
        _ body: (ContainerRecord, ContainerStore) async throws -> Void
    ) async throws -> CommandStatus {
        let containers = try await environment.containers()
        return try await forEachName(try textArguments(), environment) { name in
            try await body(try await containers.container(name), containers)
            try await environment.output.writeLine(name)
        }
    }
}

/// Runs `body` for each name and goes on after a failure; each failure is printed.
/// - Returns: `failure` where one failed.
func forEachName(
    _ names: [String],
    _ environment: SlipwayEnvironment,
    _ body: (String) async throws -> Void
) async throws -> CommandStatus {
    var status = CommandStatus.success
    for name in names {
        do {
            try await body(name)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            try await environment.errorOutput.writeLine("Error: \(error)")
            status = .failure
        }
    }
    return status
}
