/// What can be said about a flag without knowing which option it sets: enough for parsing, help and completion.
package struct FlagDescription: Sendable, Hashable {
    /// The long spelling without dashes.
    package let name: String
    /// The one-letter spelling without its dash.
    package let shorthand: Character?
    /// The word for the value in help text, as `string` or `list`; empty for switches.
    package let placeholder: String
    package let help: String
    /// The value when none is written (`--quiet` is `--quiet=true`); nil where a value must follow.
    package let bareValue: String?
    /// How help shows the default, as `default "missing"`; nil where the default says nothing.
    package let defaultText: String?
    /// Each use adds to those before it, where else the last one counts.
    package internal(set) var isRepeatable = false
    /// Accepted but not listed in help.
    package internal(set) var isHidden: Bool
    package let completion: Completion
    /// The exit status where the value is refused.
    package internal(set) var badValueStatus = CommandStatus.notRun

    /// What a shell may offer as the value.
    package enum Completion: Sendable, Hashable {
        case nothing, files, directories, images, containers
        case words([String])
    }

    /// The flag as error messages name it: `-f, --filter` or `--format`.
    package var spelling: String { shorthand.map { "-\($0), --\(name)" } ?? "--\(name)" }
}

/// Why a flag's value was refused; the sentence completes `invalid argument "x" for "--flag" flag: …`.
package struct FlagValueError: Error, Hashable {
    package let reason: String
    package init(_ reason: String) { self.reason = reason }
}

/// One flag of a command: its description, and the option of `Options` that it sets.
///
/// A command lists its flags with the factories below, each bound to a key path:
///
///     [.toggle("all", short: "a", \.all, help: "Show all images"), .text("format", \.format, help: "…")]
package struct Flag<Options: Sendable>: Sendable {
    package typealias Setter = @Sendable (inout Options, [UInt8]) throws(FlagValueError) -> Void
    package typealias Path<Value> = any WritableKeyPath<Options, Value> & Sendable

    package internal(set) var description: FlagDescription
    package private(set) var set: Setter

    private init(
        _ name: String,
        _ shorthand: Character?,
        placeholder: String,
        help: String,
        bareValue: String? = nil,
        defaultText: String? = nil,
        completion: FlagDescription.Completion = .nothing,
        set: @escaping Setter
    ) {
        description = FlagDescription(
            name: name,
            shorthand: shorthand,
            placeholder: placeholder,
            help: help,
            bareValue: bareValue,
            defaultText: defaultText,
            isHidden: false,
            completion: completion
        )
        self.set = set
    }

    /// The same flag, left out of help and completion.
    package var hidden: Flag {
        var flag = self
        flag.description.isHidden = true
        return flag
    }

    /// The same flag under another name, without a letter of its own.
    package func named(_ name: String) -> Flag {
        var flag = Flag(
            name,
            nil,
            placeholder: description.placeholder,
            help: description.help,
            bareValue: description.bareValue,
            completion: description.completion,
            set: set
        )
        flag.description.isRepeatable = description.isRepeatable
        flag.description.badValueStatus = description.badValueStatus
        return flag
    }

    /// A flag that docker has and Slipway lacks: values that ask for nothing are taken, all others are refused with a reason.
    package static func lacking(
        _ name: String,
        short shorthand: Character? = nil,
        isSwitch: Bool = false,
        accepting accepted: Set<String>,
        because reason: String
    ) -> Flag {
        Flag(
            name,
            shorthand,
            placeholder: isSwitch ? "" : "string",
            help: "Not supported: \(reason)",
            bareValue: isSwitch ? "true" : nil
        ) { (_, bytes) throws(FlagValueError) in
            let isAccepted = isSwitch ? try !FlagValues.boolean(bytes) : accepted.contains(try FlagValues.text(bytes))
            guard isAccepted else { throw FlagValueError("it is not supported by Slipway: \(reason)") }
        }.hidden
    }

    /// The same flag, whose wrong values end the command with status 1: docker's program takes any text for it, and what it means
    /// is read by the command.
    package var checkedByCommand: Flag {
        var flag = self
        flag.description.badValueStatus = .failure
        return flag
    }

    /// The same flag, which an empty value leaves as if it had not been given.
    package var notGivenWhenEmpty: Flag {
        var flag = self
        flag.set = { [set] (options, bytes) throws(FlagValueError) in if !bytes.isEmpty { try set(&options, bytes) } }
        return flag
    }

    /// The same flag for options that have these among theirs.
    package func lifted<Outer>(to path: any WritableKeyPath<Outer, Options> & Sendable) -> Flag<Outer> {
        var flag = Flag<Outer>(
            description.name,
            description.shorthand,
            placeholder: description.placeholder,
            help: description.help,
            bareValue: description.bareValue,
            defaultText: description.defaultText,
            completion: description.completion
        ) { [set] (options, bytes) throws(FlagValueError) in try set(&options[keyPath: path], bytes) }
        flag.description.isRepeatable = description.isRepeatable
        flag.description.isHidden = description.isHidden
        flag.description.badValueStatus = description.badValueStatus
        return flag
    }

    /// A flag whose value changes several options at once.
    package static func apply<Value>(
        _ name: String,
        _ path: Path<Value>,
        placeholder: String,
        help: String,
        _ change: @escaping @Sendable (inout Value, [UInt8]) throws(FlagValueError) -> Void
    ) -> Flag {
        Flag(name, nil, placeholder: placeholder, help: help) { (options, bytes) throws(FlagValueError) in
            try change(&options[keyPath: path], bytes)
        }
    }

    /// A flag that is on or off: `--quiet`, `--quiet=false`.
    package static func toggle(
        _ name: String,
        short shorthand: Character? = nil,
        _ path: Path<Bool>,
        defaultText: String? = nil,
        help: String
    ) -> Flag {
        toggle(name, shorthand, defaultText, help) { $0[keyPath: path] = $1 }
    }

    /// A flag that is on, off or not given.
    package static func toggle(
        _ name: String,
        short shorthand: Character? = nil,
        _ path: Path<Bool?>,
        defaultText: String? = nil,
        help: String
    ) -> Flag {
        toggle(name, shorthand, defaultText, help) { $0[keyPath: path] = $1 }
    }

    private static func toggle(
        _ name: String,
        _ shorthand: Character?,
        _ defaultText: String?,
        _ help: String,
        _ set: @escaping @Sendable (inout Options, Bool) -> Void
    ) -> Flag {
        Flag(name, shorthand, placeholder: "", help: help, bareValue: "true", defaultText: defaultText) {
            (options, bytes) throws(FlagValueError) in
            set(&options, try FlagValues.boolean(bytes))
        }
    }

    /// A flag with one value of text; the last one given counts.
    package static func text(
        _ name: String,
        short shorthand: Character? = nil,
        _ path: Path<String?>,
        placeholder: String = "string",
        defaultText: String? = nil,
        completion: FlagDescription.Completion = .nothing,
        help: String
    ) -> Flag {
        value(
            name,
            short: shorthand,
            path,
            placeholder: placeholder,
            defaultText: defaultText,
            completion: completion,
            help: help,
            FlagValues.text
        )
    }

    /// A flag with one value that need not be text, as a path; the last one given counts.
    package static func bytes(
        _ name: String,
        short shorthand: Character? = nil,
        _ path: Path<[UInt8]?>,
        placeholder: String = "string",
        completion: FlagDescription.Completion = .nothing,
        help: String
    ) -> Flag {
        value(name, short: shorthand, path, placeholder: placeholder, completion: completion, help: help) { $0 }
    }

    /// A flag that may be given several times, each value kept as it is.
    package static func list(
        _ name: String,
        short shorthand: Character? = nil,
        _ path: Path<[[UInt8]]>,
        placeholder: String = "list",
        completion: FlagDescription.Completion = .nothing,
        help: String
    ) -> Flag {
        values(name, short: shorthand, path, placeholder: placeholder, completion: completion, help: help) { [$0] }
    }

    /// A flag that may be given several times, each value a text.
    package static func texts(_ name: String, _ path: Path<[String]>, help: String) -> Flag {
        values(name, path, placeholder: "list", help: help) { bytes throws(FlagValueError) in
            [try FlagValues.text(bytes)]
        }
    }

    /// A flag that Docker takes and that means nothing here; each use leaves its warning at `path`.
    package static func ignored(
        _ name: String,
        short shorthand: Character? = nil,
        takesValue: Bool = true,
        _ path: Path<[String]>,
        warning: String
    ) -> Flag {
        Flag(
            name,
            shorthand,
            placeholder: takesValue ? "string" : "",
            help: "Ignored",
            bareValue: takesValue ? nil : "true"
        ) { (options, bytes) throws(FlagValueError) in
            let isWanted = takesValue ? true : try FlagValues.boolean(bytes)
            if isWanted, !warning.isEmpty { options[keyPath: path].append(warning) }
        }.hidden
    }

    /// A flag with one value that `parse` understands; the last one given counts.
    package static func value<Value: Sendable>(
        _ name: String,
        short shorthand: Character? = nil,
        _ path: Path<Value?>,
        placeholder: String,
        defaultText: String? = nil,
        completion: FlagDescription.Completion = .nothing,
        help: String,
        _ parse: @escaping @Sendable ([UInt8]) throws(FlagValueError) -> Value?
    ) -> Flag {
        Flag(
            name,
            shorthand,
            placeholder: placeholder,
            help: help,
            defaultText: defaultText,
            completion: completion
        ) { (options, bytes) throws(FlagValueError) in options[keyPath: path] = try parse(bytes) }
    }

    /// A flag that may be given several times, each value (or each part of one) understood by `parse`.
    package static func values<Value: Sendable>(
        _ name: String,
        short shorthand: Character? = nil,
        _ path: Path<[Value]>,
        placeholder: String,
        defaultText: String? = nil,
        completion: FlagDescription.Completion = .nothing,
        help: String,
        _ parse: @escaping @Sendable ([UInt8]) throws(FlagValueError) -> [Value]
    ) -> Flag {
        var flag = Flag(
            name,
            shorthand,
            placeholder: placeholder,
            help: help,
            defaultText: defaultText,
            completion: completion
        ) { (options, bytes) throws(FlagValueError) in options[keyPath: path] += try parse(bytes) }
        flag.description.isRepeatable = true
        return flag
    }
}
