internal import Text

extension InstructionParser {
    /// `NONE`, or `CMD` with a command in either form.
    func healthcheck(_ parts: Parts) throws(DockerfileError) -> HealthcheckCommand {
        let text = context.text
        let arguments = parts.arguments
        guard !arguments.isEmpty else {
            throw context.failure(.needsArguments(instruction: Keyword.healthcheck.name))
        }
        let end = arguments.first { isBlank(text[$0]) } ?? arguments.upperBound
        let type = Array(text[arguments.lowerBound..<end]).asciiUppercased
        let rest = text.trimmedRange(end..<arguments.upperBound)
        let line = try context.commandLine(in: rest)
        let flags = try FlagReader(
            parts.flags,
            in: context,
            known: [
                "interval": .text, "timeout": .text, "start-period": .text, "start-interval": .text, "retries": .text,
            ]
        )
        if type == "NONE" {
            guard rest.isEmpty else { throw context.failure(.healthcheckNoneArguments) }
            return .none
        }
        guard type == "CMD" else {
            throw context.failure(.unknownHealthcheckType(quoted(type).displayText))
        }
        switch line {
        case .shell(let command) where command.isEmpty: throw context.failure(.healthcheckWithoutCommand)
        case .exec(let arguments) where arguments.isEmpty: throw context.failure(.healthcheckWithoutCommand)
        default: break
        }
        var options = HealthcheckOptions()
        options.interval = try duration("interval", flags)
        options.timeout = try duration("timeout", flags)
        options.startPeriod = try duration("start-period", flags)
        options.startInterval = try duration("start-interval", flags)
        options.retries = try retries(flags)
        return .test(line, options)
    }

    private func duration(_ name: String, _ flags: FlagReader) throws(DockerfileError) -> Int64 {
        guard let word = flags.text(name), !word.bytes.isEmpty else { return 0 }
        func failure(_ reason: DockerfileError.Reason) -> DockerfileError {
            DockerfileError(reason, at: [word.range], in: context.source)
        }
        guard let nanoseconds = parsedDuration(word.bytes) else {
            throw failure(.invalidDuration(word.bytes))
        }
        guard nanoseconds == 0 || nanoseconds >= 1_000_000 else { throw failure(.healthcheckInterval(flag: name)) }
        return nanoseconds
    }

    private func retries(_ flags: FlagReader) throws(DockerfileError) -> Int {
        guard let word = flags.text("retries"), !word.bytes.isEmpty else { return 0 }
        guard let count = Int32(word.bytes.displayText) else {
            throw DockerfileError(
                .invalidNumber(quoted(word.bytes).displayText),
                at: [word.range],
                in: context.source
            )
        }
        guard count >= 0 else {
            throw DockerfileError(.negativeRetries(Int(count)), at: [word.range], in: context.source)
        }
        return Int(count)
    }
}
