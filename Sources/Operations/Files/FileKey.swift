import BuildGraph
import LLB
import OCI
internal import Text

/// What of a file operation's definition decides its result, field by field.
///
/// Left out: the path that is copied from, but for its last component, because the digest of the files stands for it; results'
/// numbers of actions that only later actions use, which the actions' own numbers stand for.
struct FileKey {
    private(set) var components = [KeyComponent("kind", "file")]
    private let inputs: [LLB.Output]

    /// - Parameters:
    ///   - actions: The operation.
    ///   - inputs: The node's inputs, in the order in which the solver keys them.
    init(_ actions: [FileAction], inputs: [LLB.Output]) {
        self.inputs = inputs
        for (index, action) in actions.enumerated() {
            let prefix = actions.count == 1 ? "" : "action \(index + 1): "
            components.append(KeyComponent("\(prefix)on", name(of: action.base)))
            if let output = action.output { components.append(KeyComponent("\(prefix)result", "\(output)")) }
            components += components(of: action.change).map { KeyComponent(prefix + $0.name, $0.value) }
        }
    }

    private func name(of input: FileInput) -> String {
        switch input {
        case .scratch: "scratch"
        case .output(let output): "input \(inputs.firstIndex(of: output).map { $0 + 1 } ?? 0)"
        case .action(let index): "action \(index + 1)"
        }
    }

    private func components(of change: FileChange) -> [KeyComponent] {
        switch change {
        case .copy(let copy, let source): return [KeyComponent("from", name(of: source))] + components(of: copy)
        case .makeFile(let creation):
            return [
                KeyComponent("make file", creation.path), KeyComponent("mode", octal(creation.mode)),
                .digest("content", of: creation.content),
            ] + owner(creation.owner) + time(creation.timestamp)
        case .makeDirectory(let creation):
            return [
                KeyComponent("make directory", creation.path), KeyComponent("mode", octal(creation.mode)),
                KeyComponent("parents", "\(creation.makesParents)"),
            ] + owner(creation.owner) + time(creation.timestamp)
        case .symbolicLink(let creation):
            return [KeyComponent("make link", creation.path), KeyComponent("target", creation.target)]
                + owner(creation.owner) + time(creation.timestamp)
        case .remove(let removal):
            return [
                KeyComponent("remove", removal.path), KeyComponent("allow not found", "\(removal.allowsNotFound)"),
                KeyComponent("allow wildcards", "\(removal.allowsWildcards)"),
            ]
        }
    }

    private func components(of copy: FileCopy) -> [KeyComponent] {
        var components = [
            KeyComponent("source name", rootedPath(copy.source).lastComponent),
            KeyComponent("destination", copy.destination),
        ]
        switch copy.mode {
        case .bits(let bits)?: components.append(KeyComponent("chmod", octal(bits)))
        case .symbolic(let text)?: components.append(KeyComponent("chmod", text))
        case nil: break
        }
        let flags: [(String, Bool)] = [
            ("follow links", copy.followsLinks), ("directory contents", copy.copiesDirectoryContents),
            ("unpack archives", copy.unpacksArchives), ("create destination", copy.createsDestination),
            ("allow wildcards", copy.allowsWildcards), ("allow no match", copy.allowsNoMatch),
            ("replace destination", copy.replacesDestination),
        ]
        components += flags.filter(\.1).map { KeyComponent($0.0, "true") }
        components += copy.includePatterns.map { KeyComponent("include", $0) }
        components += copy.excludePatterns.map { KeyComponent("exclude", $0) }
        components += copy.requiredPaths.map { KeyComponent("required", $0) }
        return components + owner(copy.owner) + time(copy.timestamp)
    }

    private func owner(_ owner: Owner?) -> [KeyComponent] {
        guard let owner else { return [] }
        func component(_ name: String, _ account: Owner.Account?) -> [KeyComponent] {
            switch account {
            case .id(let id)?: [KeyComponent("chown \(name)", "\(id)")]
            case .named(let text, let input)?: [KeyComponent("chown \(name) of \(self.name(of: input))", text)]
            case nil: []
            }
        }
        return [KeyComponent("chown", "set")] + component("user", owner.user) + component("group", owner.group)
    }

    private func time(_ timestamp: Int64?) -> [KeyComponent] {
        timestamp.map { [KeyComponent("time", "\($0)")] } ?? []
    }

    private func octal(_ mode: UInt32) -> String { String(mode, radix: 8) }
}
