internal import Containers
internal import LinuxSystem
internal import Terminal
internal import Text

/// `slipway logs`.
struct LogsCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER",
        summary: "Fetch the logs of a container",
        arguments: .exactly(1),
        completion: .containers
    )
    static let flags: [Flag<LogsCommand>] = [
        .toggle("details", \.showsDetails, help: "Show extra details provided to logs"),
        .toggle("follow", short: "f", \.follows, help: "Follow log output"),
        .text("since", \.since, help: "Show logs since a time (\"2013-01-02T13:23:37Z\") or for so long (\"42m\")"),
        .text(
            "tail",
            short: "n",
            \.tail,
            defaultText: "\"all\"",
            help: "Number of lines to show from the end of the logs"
        ),
        .toggle("timestamps", short: "t", \.showsTimes, help: "Show timestamps"),
        .text("until", \.until, help: "Show logs before a time (\"2013-01-02T13:23:37Z\") or so long ago (\"42m\")"),
    ]

    var arguments: [[UInt8]] = []
    var showsDetails = false
    var follows = false
    var since: String?
    var tail: String?
    var showsTimes = false
    var until: String?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        var selection = LogSelection()
        selection.since = try time(since, of: "since", environment)
        selection.until = try time(until, of: "until", environment)
        // Docker takes everything that is no number for all lines.
        selection.tail = tail.flatMap { Int($0) }.flatMap { $0 < 0 ? nil : $0 }
        selection.follows = follows
        let containers = try await environment.containers()
        let container = try await containers.container(try textArguments()[0])
        try await containers.logs(of: container, selection) { lines in
            var rest = lines[...]
            while let stream = rest.first?.stream {
                let run = rest.prefix { $0.stream == stream }
                rest = rest.dropFirst(run.count)
                let output = stream == 2 ? environment.errorOutput : environment.output
                try await output.write(run.reduce(into: [UInt8]()) { $0 += text(of: $1) })
            }
        }
        return .success
    }

    private func time(_ text: String?, of flag: String, _ environment: SlipwayEnvironment) throws -> FileTime? {
        guard let text, !text.isEmpty else { return nil }
        guard let moment = WrittenMoment(text) else {
            throw CommandFailure(
                "Error: invalid value for \"\(flag)\": \"\(text)\" is neither a time nor a duration"
            )
        }
        return FileTime(moment, now: environment.clock())
    }

    private func text(of line: ContainerLogLine) -> [UInt8] {
        var text: [UInt8] = []
        if showsTimes, let time = line.time { text += "\(time.withNanoseconds)Z " }
        // No log driver here has details, for which docker leaves this space.
        if showsDetails { text.append(0x20) }
        return text + line.bytes
    }
}
