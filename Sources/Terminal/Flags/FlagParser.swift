internal import LinuxSystem
internal import Text

/// What is left of a command line once its flags are taken out.
package struct ParsedArguments: Sendable, Hashable {
    /// The arguments that are no flags, in order.
    package var positional: [[UInt8]] = []
    /// How many of them came before a `--`; nil where there was none.
    package var countBeforeTerminator: Int?
    package var asksForHelp = false
}

/// Reads flags as pflag does, which is what Docker's users type: `--name=value`, `--name value`, `-n value`, `-nvalue`,
/// `-n=value`, `-it`, `--` and a lone `-`.
package struct FlagParser<Options: Sendable> {
    private let byName: [String: Flag<Options>]
    private let byShorthand: [Character: Flag<Options>]
    /// Whether flags may follow the first argument; `run` and `exec` leave those to the container's command.
    private let allowsFlagsAfterArguments: Bool

    package init(_ flags: [Flag<Options>], allowsFlagsAfterArguments: Bool) {
        var byName: [String: Flag<Options>] = [:]
        var byShorthand: [Character: Flag<Options>] = [:]
        // The first of a name counts.
        for flag in flags.reversed() {
            byName[flag.description.name] = flag
            if let shorthand = flag.description.shorthand { byShorthand[shorthand] = flag }
        }
        self.byName = byName
        self.byShorthand = byShorthand
        self.allowsFlagsAfterArguments = allowsFlagsAfterArguments
    }

    /// Sets in `options` what `arguments` ask for.
    /// - Throws: `UsageError`.
    package func parse(_ arguments: [[UInt8]], into options: inout Options) throws(UsageError) -> ParsedArguments {
        var parsed = ParsedArguments()
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.first == dash, argument.count > 1 else {
                parsed.positional.append(argument)
                if !allowsFlagsAfterArguments {
                    parsed.positional += rest
                    return parsed
                }
                continue
            }
            if argument == [dash, dash] {
                parsed.countBeforeTerminator = parsed.positional.count
                parsed.positional += rest
                return parsed
            }
            let isHelp =
                if argument[1] == dash {
                    try parseLong(argument, &rest, &options)
                } else {
                    try parseGroup(argument, &rest, &options)
                }
            if isHelp {
                parsed.asksForHelp = true
                return parsed
            }
        }
        return parsed
    }

    /// `--name`, `--name=value` or `--name value`; true for `--help`.
    private func parseLong(
        _ argument: [UInt8],
        _ rest: inout ArraySlice<[UInt8]>,
        _ options: inout Options
    ) throws(UsageError) -> Bool {
        let body = argument.dropFirst(2)
        let separator = body.firstIndex(of: equals)
        let nameBytes = body[..<(separator ?? body.endIndex)]
        guard let first = nameBytes.first, first != dash else {
            throw .badFlagSyntax(escapedForDisplay(argument))
        }
        let name = escapedForDisplay(nameBytes)
        guard let flag = byName[name] else {
            if name == "help" { return true }
            throw .unknownFlag(name, suggestion: suggestion(for: name))
        }
        if let separator {
            try set(flag, Array(body[(separator + 1)...]), &options)
        } else if let bare = flag.description.bareValue {
            try set(flag, Array(bare.utf8), &options)
        } else if let value = rest.popFirst() {
            try set(flag, value, &options)
        } else {
            throw .flagNeedsArgument("--\(name)")
        }
        return false
    }

    /// `-abc`, where the first letter that needs a value takes the rest; true for `-h` where no flag has that letter.
    private func parseGroup(
        _ argument: [UInt8],
        _ rest: inout ArraySlice<[UInt8]>,
        _ options: inout Options
    ) throws(UsageError) -> Bool {
        var group = argument.dropFirst()
        while let byte = group.first {
            let letter = Character(Unicode.Scalar(byte))
            guard let flag = byShorthand[letter], byte < 0x80 else {
                if letter == "h" { return true }
                throw .unknownShorthand(escapedForDisplay([byte]), in: escapedForDisplay(group))
            }
            let following = group.dropFirst()
            if following.count > 1, following.first == equals {
                try set(flag, Array(following.dropFirst()), &options)
                return false
            }
            if let bare = flag.description.bareValue {
                try set(flag, Array(bare.utf8), &options)
                group = following
                continue
            }
            if !following.isEmpty {
                try set(flag, Array(following), &options)
            } else if let value = rest.popFirst() {
                try set(flag, value, &options)
            } else {
                throw .flagNeedsArgument("'\(letter)' in -\(escapedForDisplay(group))")
            }
            return false
        }
        return false
    }

    private func set(_ flag: Flag<Options>, _ value: [UInt8], _ options: inout Options) throws(UsageError) {
        do throws(FlagValueError) {
            try flag.set(&options, value)
        } catch {
            throw .invalidFlagValue(
                value: escapedForDisplay(value),
                flag: flag.description.spelling,
                reason: error.reason,
                status: flag.description.badValueStatus
            )
        }
    }

    private func suggestion(for name: String) -> String? {
        let visible = byName.values.map(\.description).filter { !$0.isHidden }.map(\.name)
        return Suggestions.nearest(to: name, among: visible).first
    }

    private var dash: UInt8 { "-" }
    private var equals: UInt8 { "=" }
}
