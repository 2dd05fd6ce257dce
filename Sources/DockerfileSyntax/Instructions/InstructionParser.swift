internal import Text

/// Turns the joined line of one instruction into what it says.
struct InstructionParser {
    let context: LineContext
    let comments: [[UInt8]]

    /// The parts of a line that every instruction has.
    struct Parts {
        let keywordText: [UInt8]
        let keyword: Keyword?
        let flags: [InstructionFlag]
        let arguments: Range<Int>
    }

    /// Splits the line into keyword, flags and arguments.
    func parts(in range: Range<Int>? = nil) -> Parts {
        let text = context.text
        let line = text.trimmedRange(range ?? text.indices)
        let end = line.first { isBlank(text[$0]) } ?? line.upperBound
        let keywordText = Array(text[line.lowerBound..<end])
        let (flags, rest) = context.flags(in: end..<line.upperBound)
        return Parts(
            keywordText: keywordText,
            keyword: Keyword(rawValue: keywordText.asciiLowercased.displayText),
            flags: flags,
            arguments: text.trimmedRange(rest)
        )
    }

    /// Whether heredocs may follow: not for every instruction, and not after the JSON form.
    func mayHaveHeredocs(_ parts: Parts) -> Bool {
        switch parts.keyword {
        case .onbuild: mayHaveHeredocs(self.parts(in: parts.arguments))
        case .add, .copy, .run:
            if case .strings = JSONForm.array(Array(context.text[parts.arguments])) { false } else { true }
        default: false
        }
    }

    /// Parses the arguments.
    /// - Throws: `DockerfileError` with BuildKit's wording.
    func command(_ parts: Parts, heredocs: [Heredoc]) throws(DockerfileError) -> Command {
        let arguments = parts.arguments
        guard let keyword = parts.keyword else { throw unknown(parts) }
        switch keyword {
        case .add, .copy: return try transfer(parts, keyword, heredocs)
        case .arg:
            let definitions = try argumentDefinitions(in: arguments)
            try noFlags(parts)
            return .arg(definitions)
        case .cmd:
            let line = try context.commandLine(in: arguments)
            try noFlags(parts)
            return .cmd(line)
        case .entrypoint:
            let line = try context.commandLine(in: arguments)
            try noFlags(parts)
            return .entrypoint(line)
        case .env: return .env(try pairs(parts, .env))
        case .label: return .label(try pairs(parts, .label))
        case .expose:
            let ports = try context.plainWords(in: arguments)
            guard !ports.isEmpty else { throw needsArguments(.expose) }
            try noFlags(parts)
            return .expose(ports)
        case .from: return .from(try from(parts))
        case .healthcheck: return .healthcheck(try healthcheck(parts))
        case .maintainer: return .maintainer(try single(parts, .maintainer))
        case .stopsignal: return .stopsignal(try single(parts, .stopsignal))
        case .user: return .user(try single(parts, .user))
        case .workdir: return .workdir(try single(parts, .workdir))
        case .onbuild: return .onbuild(try trigger(parts, heredocs))
        case .run: return .run(try run(parts))
        case .shell: return .shell(try shell(parts))
        case .volume: return .volume(try volumes(parts))
        }
    }

    private func unknown(_ parts: Parts) -> DockerfileError {
        let name = parts.keywordText.prefix(100).displayText
        let meant = suggestion(for: name, among: Keyword.allCases.map(\.name), caseSensitive: false)
        return context.failure(.unknownInstruction(name, didYouMean: meant))
    }

    private func needsArguments(_ keyword: Keyword) -> DockerfileError {
        context.failure(.needsArguments(instruction: keyword.name))
    }

    private func noFlags(_ parts: Parts) throws(DockerfileError) { _ = try FlagReader(parts.flags, in: context) }

    private func single(_ parts: Parts, _ keyword: Keyword) throws(DockerfileError) -> Word {
        guard !parts.arguments.isEmpty else { throw context.failure(.needsOneArgument(instruction: keyword.name)) }
        try noFlags(parts)
        return context.word(parts.arguments)
    }

    private func pairs(_ parts: Parts, _ keyword: Keyword) throws(DockerfileError) -> [KeyValue] {
        let pairs = try context.keyValues(in: parts.arguments, of: keyword)
        try noFlags(parts)
        guard !pairs.isEmpty else { throw needsArguments(keyword) }
        guard !pairs.contains(where: \.key.isEmpty) else {
            throw context.failure(.blankName(instruction: keyword.name))
        }
        return pairs
    }

    private func argumentDefinitions(in range: Range<Int>) throws(DockerfileError) -> [ArgumentDefinition] {
        let words = try context.quotedWords(in: range)
        guard !words.isEmpty else { throw needsArguments(.arg) }
        // Once for all names: there may be many of both.
        var documentation: [[UInt8]: [UInt8]] = [:]
        for comment in comments {
            guard let end = comment.firstIndex(of: 0x20) else { continue }
            let name = Array(comment[..<end])
            if documentation[name] == nil { documentation[name] = Array(comment[(end + 1)...]) }
        }
        var definitions: [ArgumentDefinition] = []
        for word in words {
            let equals = word.bytes.firstIndex(of: "=")
            let name = Array(word.bytes[..<(equals ?? word.bytes.count)])
            guard !name.isEmpty else { throw context.failure(.blankName(instruction: Keyword.arg.name)) }
            definitions.append(
                ArgumentDefinition(
                    name: name,
                    value: equals.map { Array(word.bytes[($0 + 1)...]) },
                    documentation: documentation[name],
                    range: word.range
                )
            )
        }
        return definitions
    }

    /// The rest of the comment line above that begins with a name.
    private func documentation(of name: [UInt8]) -> [UInt8]? {
        for comment in comments where comment.starts(with: name + [0x20]) {
            return Array(comment.dropFirst(name.count + 1))
        }
        return nil
    }

    private func from(_ parts: Parts) throws(DockerfileError) -> From {
        let words = try context.plainWords(in: parts.arguments)
        var name: String?
        if words.count == 3, words[1].bytes.asciiLowercased == "as" {
            let lowercased = words[2].bytes.asciiLowercased
            guard Self.isStageName(lowercased) else {
                throw context.failure(.invalidStageName(quoted(words[2].bytes).displayText))
            }
            name = lowercased.displayText
        } else if words.count != 1 {
            throw context.failure(.fromArguments)
        }
        let flags = try FlagReader(parts.flags, in: context, known: ["platform": .text])
        let platform = flags.text("platform")
        return From(
            image: words[0],
            platform: platform?.bytes.isEmpty == true ? nil : platform,
            stageName: name,
            stageNameAsWritten: name == nil ? nil : words[2],
            asText: name == nil ? nil : words[1].bytes,
            documentation: name.flatMap { documentation(of: Array($0.utf8)) }
        )
    }

    private static func isStageName(_ name: [UInt8]) -> Bool {
        guard let first = name.first, isLetter(first) else { return false }
        return name.allSatisfy { isLetter($0) || isDigit($0) || "-_.".utf8.contains($0) }
    }

    private func transfer(
        _ parts: Parts,
        _ keyword: Keyword,
        _ heredocs: [Heredoc]
    ) throws(DockerfileError) -> Command {
        let words = try context.wordsOrStrings(in: parts.arguments).words
        guard words.count >= 2, let destination = words.last else {
            throw context.failure(.needsDestination(instruction: keyword.name))
        }
        let flags = try FlagReader(parts.flags, in: context, known: Self.transferFlags(keyword))
        guard (try? Heredoc(word: destination.bytes)) == nil else {
            throw context.failure(.heredocDestination(instruction: keyword.name))
        }
        let (sources, documents) = Self.sources(words.dropLast(), heredocs)
        func nonEmpty(_ word: Word?) -> Word? { word?.bytes.isEmpty == true ? nil : word }
        let transfer = Transfer(
            sources: sources,
            documents: documents,
            destination: destination,
            from: nonEmpty(flags.text("from")),
            owner: nonEmpty(flags.text("chown")),
            mode: nonEmpty(flags.text("chmod")),
            link: flags.boolean("link") ?? false,
            parents: flags.boolean("parents") ?? false,
            excludes: flags.list("exclude"),
            keepsGitDirectory: flags.boolean("keep-git-dir"),
            checksum: nonEmpty(flags.text("checksum")),
            unpacks: flags.boolean("unpack")
        )
        return keyword == .add ? .add(transfer) : .copy(transfer)
    }

    private static func transferFlags(_ keyword: Keyword) -> KeyValuePairs<String, FlagReader.Kind> {
        keyword == .add
            ? [
                "chown": .text, "chmod": .text, "link": .boolean, "keep-git-dir": .boolean, "checksum": .text,
                "unpack": .boolean, "exclude": .list,
            ]
            : [
                "chown": .text, "from": .text, "chmod": .text, "link": .boolean, "exclude": .list, "parents": .boolean,
            ]
    }

    /// Tells paths from documents in the Dockerfile itself.
    private static func sources(
        _ words: ArraySlice<Word>,
        _ heredocs: [Heredoc]
    ) -> (paths: [Word], documents: [InlineDocument]) {
        var paths: [Word] = []
        var documents: [InlineDocument] = []
        for word in words {
            guard let mark = try? Heredoc(word: word.bytes) else {
                paths.append(word)
                continue
            }
            // Of two heredocs with one name the last is meant, as in BuildKit.
            let body = heredocs.last { $0.name == mark.name }?.effectiveContent ?? []
            documents.append(InlineDocument(name: mark.name, content: body, expands: mark.expands))
        }
        return (paths, documents)
    }

    private func run(_ parts: Parts) throws(DockerfileError) -> Run {
        let line = try context.commandLine(in: parts.arguments)
        let flags = try FlagReader(
            parts.flags,
            in: context,
            known: ["mount": .list, "network": .text, "security": .text, "device": .list]
        )
        var mounts: [MountFlag] = []
        for word in flags.list("mount") {
            do {
                let flag = try MountFlag(parsing: word.bytes, at: word.range)
                if flag.isConstant { _ = try flag.mount { $0 } }
                mounts.append(flag)
            } catch {
                guard let error = error as? MountError else { continue }
                throw DockerfileError(.invalidMount(error), at: [word.range], in: context.source)
            }
        }
        var devices: [DeviceFlag] = []
        for word in flags.list("device") {
            do throws(MountError) {
                devices.append(try DeviceFlag(parsing: word.bytes))
            } catch {
                throw DockerfileError(.invalidDevice(error), at: [word.range], in: context.source)
            }
        }
        var network = NetworkFlag.default
        if let word = flags.text("network") {
            guard let mode = NetworkFlag(rawValue: word.bytes.displayText) else {
                throw context.failure(.invalidNetwork(quoted(word.bytes).displayText))
            }
            network = mode
        }
        var security = SecurityFlag.sandbox
        if let word = flags.text("security") {
            guard let mode = SecurityFlag(rawValue: word.bytes.displayText) else {
                throw context.failure(.invalidSecurity(quoted(word.bytes).displayText))
            }
            security = mode
        }
        return Run(commandLine: line, mounts: mounts, network: network, security: security, devices: devices)
    }

    private func shell(_ parts: Parts) throws(DockerfileError) -> [[UInt8]] {
        let line = try context.commandLine(in: parts.arguments)
        try noFlags(parts)
        switch line {
        case .exec(let arguments):
            guard !arguments.isEmpty else { throw needsArguments(.shell) }
            return arguments
        case .shell(let text):
            throw text.isEmpty ? needsArguments(.shell) : context.failure(.notJSON(instruction: Keyword.shell.name))
        }
    }

    private func volumes(_ parts: Parts) throws(DockerfileError) -> [Word] {
        let words = try context.wordsOrStrings(in: parts.arguments).words
        guard !words.isEmpty else { throw needsArguments(.volume) }
        try noFlags(parts)
        let trimmed = words.map { Word($0.bytes.trimmed, at: $0.range) }
        guard !trimmed.contains(where: \.bytes.isEmpty) else { throw context.failure(.emptyVolume) }
        return trimmed
    }

    private func trigger(_ parts: Parts, _ heredocs: [Heredoc]) throws(DockerfileError) -> Trigger {
        guard !parts.arguments.isEmpty else { throw needsArguments(.onbuild) }
        try noFlags(parts)
        let inner = self.parts(in: parts.arguments)
        switch inner.keyword {
        case .onbuild: throw context.failure(.chainedOnBuild)
        case .maintainer, .from: throw context.failure(.invalidTrigger(inner.keywordText.asciiUppercased.displayText))
        default: break
        }
        // Stored as text and parsed when it fires; what is wrong with it is better said now.
        _ = try command(inner, heredocs: heredocs)
        var expression = Array(context.text[parts.arguments])
        for heredoc in heredocs { expression += [0x0a] + heredoc.content + heredoc.name }
        return Trigger(expression: expression)
    }
}
