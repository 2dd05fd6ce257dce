import DockerfileSyntax
import LLB
import OCI
internal import Text

/// Instructions that change files without running anything: WORKDIR, COPY and ADD.
extension StageBuilder {
    mutating func workdir(_ word: Word) throws {
        let path = try expand(word.bytes)
        let isAbsolute = path.first == "/"
        if !state.hasWorkdir, !isAbsolute {
            let shown = quoted(path).displayText
            report(
                .workdirRelativePath,
                "Relative workdir \(shown) can have unexpected results if the base image changes"
            )
        }
        state.hasWorkdir = true
        state.workingDirectory = isAbsolute ? path : joinedPath(state.directory, path)
        let directory = state.workingDirectory
        guard directory != "/", let instruction = command?.instruction else {
            state.record("WORKDIR " + directory, hasLayer: false)
            return
        }
        // The directory belongs to the stage's user, as in BuildKit.
        let base: FileInput = state.output.map { .output($0) } ?? .scratch
        let creation = DirectoryCreation(
            path: cleanedPath(directory),
            owner: state.user.isEmpty ? nil : Owner(parsing: state.user, in: base),
            timestamp: try translator.sourceTime()
        )
        let title = self.title(titleText(instruction.text, translator.expander))
        try change([.makeDirectory(creation)], metadata: Metadata(name: title))
        state.record("WORKDIR " + directory, hasLayer: true)
    }

    /// A transfer after expansion.
    private struct Copying {
        var sources: [[UInt8]]
        var documents: [InlineDocument]
        var destination: [UInt8]
        var owner: [UInt8]
        var mode: [UInt8]
    }

    mutating func copy(_ transfer: Transfer, _ command: StageNode.Command, isAdd: Bool) throws {
        let copying = try expand(transfer)
        try check(transfer, copying, isAdd: isAdd)
        let source = try source(of: command)
        let title = self.title(withoutCredentials(titleText(command.instruction.text, translator.expander)))
        let mode = try mode(copying.mode)
        let isLinked = transfer.link && copying.mode.isEmpty
        let base: Output? = isLinked ? nil : state.output
        var changes: [FileChange] = []
        func owner() -> Owner? {
            guard !copying.owner.isEmpty else { return nil }
            let tree: FileInput = changes.isEmpty ? base.map { .output($0) } ?? .scratch : .action(changes.count - 1)
            return Owner(parsing: copying.owner, in: tree)
        }
        for path in copying.sources {
            if let remote = RemoteKind(of: path) {
                var copy = try remoteCopy(of: path, remote, transfer, title: title)
                copy.action.destination = destination(copying.destination)
                copy.action.owner = owner()
                copy.action.mode = mode
                copy.action.excludePatterns = transfer.excludes.map(\.bytes)
                changes.append(.copy(copy.action, from: .output(copy.source)))
                continue
            }
            if command.copySource == nil { reportIgnored(path, isAdd: isAdd) }
            var copy = FileCopy.instruction(source: path, destination: destination(copying.destination))
            if transfer.parents { try keepParents(of: path, &copy) }
            copy.source = cleanedPath("/" + copy.source)
            copy.unpacksArchives = isAdd && transfer.unpacks ?? true
            copy.owner = owner()
            copy.mode = mode
            copy.excludePatterns = transfer.excludes.map(\.bytes)
            changes.append(.copy(copy, from: source))
        }
        for document in copying.documents {
            let file = try inlineFile(document, mode: 0o644)
            var copy = FileCopy(
                source: cleanedPath("/" + document.name),
                destination: destination(copying.destination)
            )
            copy.createsDestination = true
            copy.owner = owner()
            copy.mode = mode
            copy.excludePatterns = transfer.excludes.map(\.bytes)
            changes.append(.copy(copy, from: .output(file)))
        }
        try add(changes, title: title, isLinked: isLinked, text: command.instruction.text)
        for path in copying.sources where RemoteKind(of: path) == nil {
            let path = cleanedPath("/" + path)
            if let source = command.copySource { use(path, of: source) } else { run.contextPaths.insert(path) }
        }
        state.record(historyLine(transfer, copying, isAdd: isAdd), hasLayer: true)
    }

    /// Puts the copied files on the tree, or beside it where a link makes them independent of it.
    private mutating func add(_ changes: [FileChange], title: [UInt8], isLinked: Bool, text: [UInt8]) throws {
        let metadata = Metadata(name: title, ignoresCache: ignoresCache)
        guard isLinked else { return try change(changes, metadata: metadata) }
        let below = state.output
        state.output = nil
        try change(changes, metadata: metadata)
        guard let below, let copied = state.output else { return }
        repeatTitleNumber()
        let linkTitle = self.title("LINK " + titleText(text, translator.expander))
        do throws(LLBError) {
            state.output = try Output.merge(
                [below, copied],
                metadata: Metadata(name: linkTitle, ignoresCache: ignoresCache)
            )
        } catch {
            throw failure(.definition(error))
        }
        remember(state.output)
    }

    private mutating func expand(_ transfer: Transfer) throws -> Copying {
        var copying = Copying(sources: [], documents: [], destination: [], owner: [], mode: [])
        if let owner = transfer.owner { copying.owner = try expand(owner.bytes) }
        if let mode = transfer.mode { copying.mode = try expand(mode.bytes) }
        for source in transfer.sources { copying.sources.append(try expand(source.bytes)) }
        copying.destination = try expand(transfer.destination.bytes)
        for document in transfer.documents {
            guard document.expands else {
                copying.documents.append(document)
                continue
            }
            // In documents quotes mean nothing, and the escape is a backslash whatever the directive says.
            var expander = WordExpander()
            expander.ignoresQuotes = true
            let content = try expand(document.content, expander, state.variables).text
            copying.documents.append(InlineDocument(name: document.name, content: content, expands: false))
        }
        return copying
    }

    private func check(_ transfer: Transfer, _ copying: Copying, isAdd: Bool) throws(FrontendError) {
        let isRemote = copying.sources.contains { RemoteKind(of: $0) != nil }
        if transfer.checksum != nil {
            guard copying.sources.count == 1 else { throw failure(.checksumOfSeveral) }
            guard isRemote else { throw failure(.checksumOfLocal) }
        }
        for source in copying.sources {
            guard let kind = RemoteKind(of: source), !isAdd else { continue }
            throw failure(.remoteCopy(git: kind == .git))
        }
    }

    private func source(of command: StageNode.Command) throws(FrontendError) -> FileInput {
        guard let index = command.copySource else { return .output(context) }
        guard let from = run.states[index] else {
            let transferred: String
            if case .copy(let transfer) = command.instruction.command {
                transferred = transfer.from?.bytes.displayText ?? ""
            } else {
                transferred = ""
            }
            throw failure(.copyFromLaterStage(transferred, current: node.label))
        }
        return from.output.map { .output($0) } ?? .scratch
    }

    private func mode(_ text: [UInt8]) throws(FrontendError) -> ModeChange? {
        guard !text.isEmpty else { return nil }
        guard let mode = ModeChange(parsing: text) else { throw failure(.invalidMode(text.displayText)) }
        return mode
    }

    /// The destination from the root; a slash, or `/.`, at its end keeps its meaning.
    private func destination(_ path: [UInt8]) -> [UInt8] {
        let path = path.isEmpty || path == "." ? "./" : path
        let isAbsolute = path.first == "/"
        let clean = isAbsolute ? cleanedPath(path) : joinedPath(state.directory, path)
        let isRoot = clean == "/"
        if path.last == "/", !isRoot { return clean + "/" }
        if path.suffix(2) == "/." { return clean + (isRoot ? "." : "/.") }
        return clean
    }

    /// `--parents`: the whole path, or what follows `/./` in it, is kept below the destination.
    private func keepParents(of path: [UInt8], _ copy: inout FileCopy) throws(FrontendError) {
        let pivot: [UInt8] = "/./"
        var parent: [UInt8] = "/"
        var pattern = path
        if let index = path.indices.first(where: { path[$0...].starts(with: pivot) }) {
            parent = Array(path[..<index])
            pattern = Array(path[(index + pivot.count)...])
        }
        let clean = cleanedPath("/" + pattern)
        copy.source = parent
        copy.includePatterns = [Array(clean.dropFirst())]
        // Only what is named exactly must be there.
        let hasWildcard = GlobPattern.isPattern(parent) || GlobPattern.isPattern(pattern)
        let required = cleanedPath("/" + parent + "/" + pattern)
        copy.requiredPaths = hasWildcard ? [] : [required]
    }

    /// A tree with one file whose content stands in the Dockerfile.
    func inlineFile(_ document: InlineDocument, mode: UInt32) throws(FrontendError) -> Output {
        let creation = FileCreation(
            path: cleanedPath("/" + document.name),
            mode: mode,
            content: document.content
        )
        do throws(LLBError) {
            return try Output.file(
                on: nil,
                [.makeFile(creation)],
                platform: state.platform,
                metadata: Metadata(name: "[internal] preparing inline document")
            )
        } catch {
            throw failure(.definition(error))
        }
    }

    private mutating func reportIgnored(_ path: [UInt8], isAdd: Bool) {
        // With exceptions it cannot be told from the name alone.
        guard let ignore = options.ignoreFile, !ignore.isEmpty, !ignore.hasExceptions else { return }
        let clean = cleanedPath(path)
        let isRoot = clean == "." || clean == "/"
        let isIgnored =
            isRoot
            ? ignore.patterns.contains { $0 == "*" || $0 == "**" || $0 == "**/*" }
            : ignore.ignores(clean)
        guard isIgnored else { return }
        let text = clean.displayText
        report(
            .copyIgnoredFile,
            "Attempting to \(isAdd ? "Add" : "Copy") file \(quoted(text)) that is excluded by .dockerignore"
        )
    }

    private func historyLine(_ transfer: Transfer, _ copying: Copying, isAdd: Bool) -> [UInt8] {
        var line: [UInt8] = isAdd ? "ADD" : "COPY"
        if transfer.parents { line += " --parents" }
        if !copying.owner.isEmpty { line += " --chown=" + copying.owner }
        if !copying.mode.isEmpty { line += " --chmod=" + copying.mode }
        for source in copying.sources { line += [0x20] + withoutCredentials(source) }
        for document in copying.documents { line += " <<" + document.name }
        return line + [0x20] + copying.destination + " # buildkit"
    }
}
