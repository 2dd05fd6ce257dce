import DockerfileSyntax
import OCI
internal import Text

/// Instructions that change what the image says of itself, and no file.
extension StageBuilder {
    mutating func setEnvironment(_ pairs: [DockerfileSyntax.KeyValue]) throws {
        let expanded = try expand(pairs)
        for (pair, written) in zip(expanded, pairs) {
            checkForm(of: written)
            checkSecret("ENV", pair.key)
            state.setEnvironment(pair.key, to: pair.value)
        }
        state.record(Self.line("ENV", expanded), hasLayer: false)
    }

    mutating func label(_ pairs: [DockerfileSyntax.KeyValue]) throws {
        let expanded = try expand(pairs)
        for pair in pairs { checkForm(of: pair) }
        state.change { defaults in
            if defaults.labels == nil { defaults.labels = [:] }
            for pair in expanded { defaults.labels?[pair.key.displayText] = pair.value.displayText }
        }
        state.record(Self.line("LABEL", expanded), hasLayer: false)
    }

    private func checkForm(of pair: DockerfileSyntax.KeyValue) {
        guard !pair.hasEquals else { return }
        let name = writtenName
        report(
            .legacyKeyValueFormat,
            "\"\(name) key=value\" should be used instead of legacy \"\(name) key value\" format"
        )
    }

    private func checkSecret(_ instruction: String, _ name: [UInt8]) {
        guard namesSecret(name) else { return }
        report(
            .secretsUsedInArgOrEnv,
            "Do not use ARG or ENV instructions for sensitive data (\(instruction) \(quoted(name).displayText))"
        )
    }

    private typealias Pair = (key: [UInt8], value: [UInt8])

    private mutating func expand(_ pairs: [DockerfileSyntax.KeyValue]) throws -> [Pair] {
        var expanded: [Pair] = []
        for pair in pairs { expanded.append((try expand(pair.key), try expand(pair.value))) }
        return expanded
    }

    private static func line(_ instruction: String, _ pairs: [Pair]) -> [UInt8] {
        pairs.reduce(into: Array(instruction.utf8)) { line, pair in
            line.append(0x20)
            line += pair.key
            line.append("=")
            line += pair.value
        }
    }

    /// ARG: a given value, else the default, else the value of the same name before the first stage.
    mutating func declare(_ definitions: [ArgumentDefinition]) throws {
        var line: [UInt8] = "ARG"
        for definition in definitions {
            checkSecret("ARG", definition.name)
            var value = options.buildArguments[definition.name]
            var isInherited = false
            if value == nil {
                if let text = definition.value {
                    value = try expand(text)
                } else {
                    value = translator.globalArguments[definition.name]
                    isInherited = value != nil
                }
            }
            outline.used.insert(definition.name)
            if !isInherited {
                outline.arguments[definition.name] = Outline.Argument(
                    name: definition.name,
                    value: value ?? [],
                    documentation: definition.documentation ?? [],
                    range: command?.instruction.range ?? definition.range
                )
            }
            // As in BuildKit an ARG after an ENV of the same name wins until the next ENV.
            if let value, !isOnlyForBuilder(definition.name) { state.variables.set(definition.name, to: value) }
            state.arguments.append((definition.name, value))
            line += [0x20] + definition.name
            if let value { line += "=" + value }
        }
        state.record(line, hasLayer: false)
    }

    /// The words of a command, with the shell before text; `[]` stays empty.
    private func words(of line: CommandLine) -> [[UInt8]] {
        switch line {
        case .exec(let words): return words
        case .shell(let text):
            if state.shell.isEmpty {
                report(
                    .jsonArgsRecommended,
                    "JSON arguments recommended for \(writtenName) to prevent unintended behavior related to OS signals"
                )
            }
            return state.withShell(text)
        }
    }

    private static func quotedList(_ words: [[UInt8]]) -> [UInt8] {
        "[" + words.map(quoted).joined(separator: [0x20]) + "]"
    }

    mutating func setCommand(_ line: CommandLine) throws {
        let words = self.words(of: line)
        state.change { defaults in
            defaults.command = words.isEmpty ? nil : words.map(\.displayText)
            defaults.argumentsEscaped = true
        }
        state.hasCommand = true
        state.record("CMD " + Self.quotedList(words), hasLayer: false)
    }

    mutating func setEntrypoint(_ line: CommandLine) throws {
        let words = self.words(of: line)
        let keepsCommand = state.hasCommand
        state.change { defaults in
            defaults.entrypoint = words.isEmpty ? nil : words.map(\.displayText)
            // The base's command was meant for the base's entrypoint.
            if !keepsCommand { defaults.command = nil }
        }
        state.record("ENTRYPOINT " + Self.quotedList(words), hasLayer: false)
    }

    mutating func setHealthcheck(_ command: HealthcheckCommand) {
        var test: [[UInt8]] = ["NONE"]
        var options = HealthcheckOptions()
        if case .test(let line, let given) = command {
            options = given
            switch line {
            case .shell(let text): test = ["CMD-SHELL", text]
            case .exec(let words): test = ["CMD"] + words
            }
        }
        var check = Healthcheck(test: test.map(\.displayText))
        check.interval = options.interval == 0 ? nil : options.interval
        check.timeout = options.timeout == 0 ? nil : options.timeout
        check.startPeriod = options.startPeriod == 0 ? nil : options.startPeriod
        check.startInterval = options.startInterval == 0 ? nil : options.startInterval
        check.retries = options.retries == 0 ? nil : options.retries
        state.change { $0.healthcheck = check }
        // The text of a Go structure: what BuildKit leaves in the history.
        let times = [
            ("Interval", options.interval), ("Timeout", options.timeout), ("StartPeriod", options.startPeriod),
            ("StartInterval", options.startInterval),
        ]
        let shown = times.map { " \($0.0):\(durationText($0.1))" }.joined()
        let line =
            "HEALTHCHECK {Test:[" + Array(test.joined(separator: [0x20]))
            + "]\(shown) Retries:\(options.retries)}"
        state.record(line, hasLayer: false)
    }

    mutating func expose(_ words: [Word]) throws {
        var ports: [String] = []
        for word in words.map(\.bytes).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            for part in try expand(word, translator.expander, state.variables).words {
                let text = part.displayText
                let exposed: ExposedPorts
                do throws(PortError) { exposed = try ExposedPorts(parsing: text) } catch {
                    throw failure(.invalidPort(error))
                }
                if exposed.hasOddProtocolCasing {
                    report(
                        .exposeProtoCasing,
                        "Defined protocol '\(text)' in EXPOSE instruction should be lowercase"
                    )
                }
                if exposed.namesHost {
                    report(
                        .exposeInvalidFormat,
                        "EXPOSE instruction should not define an IP address or host-port mapping, found '\(text)'"
                    )
                }
                ports += exposed.ports
            }
        }
        state.change { defaults in
            if defaults.exposedPorts == nil { defaults.exposedPorts = [:] }
            for port in ports { defaults.exposedPorts?[port] = EmptyObject() }
        }
        state.record("EXPOSE [\(ports.joined(separator: " "))]", hasLayer: false)
    }

    mutating func addVolumes(_ words: [Word]) throws {
        var paths: [[UInt8]] = []
        for word in words {
            let path = try expand(word.bytes)
            guard !path.isEmpty else { throw failure(.emptyVolume) }
            paths.append(path)
        }
        state.change { defaults in
            if defaults.volumes == nil { defaults.volumes = [:] }
            for path in paths { defaults.volumes?[path.displayText] = EmptyObject() }
        }
        let list = Array(paths.joined(separator: [0x20]))
        state.record("VOLUME [" + list + "]", hasLayer: false)
    }

    mutating func setUser(_ word: Word) throws {
        state.user = try expand(word.bytes)
        state.record("USER " + state.user, hasLayer: false)
    }

    mutating func setStopSignal(_ word: Word) throws {
        let signal = try expand(word.bytes).displayText
        guard isSignal(signal) else { throw failure(.invalidSignal(signal)) }
        state.change { $0.stopSignal = signal }
        state.record("STOPSIGNAL \(signal)", hasLayer: false)
    }

    mutating func setShell(_ words: [[UInt8]]) {
        state.shell = words
        let list = Array(words.joined(separator: [0x20]))
        state.record("SHELL [" + list + "]", hasLayer: false)
    }

    mutating func setMaintainer(_ word: Word) {
        state.setAuthor(word.bytes)
        state.record("MAINTAINER " + word.bytes, hasLayer: false)
    }

    mutating func addTrigger(_ trigger: Trigger) {
        state.change { defaults in
            if defaults.onBuild == nil { defaults.onBuild = [] }
            defaults.onBuild?.append(trigger.expression.displayText)
        }
    }
}
