internal import BuildEngine
package import Terminal

/// `--call`: what to ask of a Dockerfile instead of building it, and how to show the answer.
package struct CallOption: Sendable, Hashable {
    /// As buildx names it, where `check` is `lint`; empty where only a format was given.
    package private(set) var name = ""
    package private(set) var format = ""
    /// Findings do not make the exit status 1.
    package private(set) var ignoresStatus = false

    /// What `--check` stands for.
    package static let check = CallOption(name: FrontendCall.check.rawValue)

    private init(name: String) { self.name = name }

    /// Parses `outline`, `check,format=json` and the like.
    package init(parsing bytes: [UInt8]) throws(FlagValueError) {
        guard !bytes.isEmpty else {
            name = "build"
            return
        }
        for field in try FlagValues.commaSeparated(bytes) {
            let text = try FlagValues.text(field)
            let sides = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard sides.count == 2 else {
                guard name.isEmpty else {
                    throw FlagValueError("invalid print value: \(try FlagValues.text(bytes))")
                }
                name = text
                continue
            }
            switch sides[0] {
            case "format": format = sides[1]
            case "ignorestatus":
                do throws(FlagValueError) { ignoresStatus = try FlagValues.boolean(Array(sides[1].utf8)) } catch {
                    throw FlagValueError("invalid ignorestatus print value: \(sides[1])")
                }
            default: throw FlagValueError("invalid print field: \(text)")
            }
        }
        if name == "check" { name = FrontendCall.check.rawValue }
    }

    /// Whether something is asked for rather than a build.
    package var isQuestion: Bool { name != "build" }

    /// Whether the answer is the frontend's own document.
    package var isJSON: Bool { format == "json" }
}

extension BuildCommand {
    /// `--check`: what is said last of what to ask counts, and `--check=false` says nothing.
    var isCheck: Bool {
        get { call == .check }
        set { if newValue { call = .check } }
    }

    static let callFlags: [Flag<BuildCommand>] = [
        .value(
            "call",
            \.call,
            placeholder: "string",
            defaultText: "\"build\"",
            help: "Set method for evaluating build (\"check\", \"outline\", \"targets\")"
        ) {
            bytes throws(FlagValueError) in try CallOption(parsing: bytes)
        },
        .toggle("check", \.isCheck, help: "Shorthand for \"--call=check\""),
        .value("print", \.call, placeholder: "string", help: "Print result of information request") {
            bytes throws(FlagValueError) in try CallOption(parsing: bytes)
        }
        .hidden,
    ]
}
