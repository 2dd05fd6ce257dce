internal import LinuxSystem
internal import Manual
internal import Terminal
internal import Text

/// What buildx takes and Slipway has no use for, or no means yet.
extension BuildCommand {
    /// Flags of the builder before BuildKit.
    ///
    /// The warnings are buildx's where it has any.
    static let ignoredFlags: [Flag<BuildCommand>] =
        [
            .ignored("compress", takesValue: false, \.flagWarnings, warning: "compress flag is ignored."),
            .ignored("isolation", \.flagWarnings, warning: "isolation flag is deprecated with BuildKit."),
            .ignored(
                "security-opt",
                \.flagWarnings,
                warning:
                    "security-opt flag is deprecated. \"RUN --security=insecure\" should be used with BuildKit."
            ),
            .ignored(
                "squash",
                takesValue: false,
                \.flagWarnings,
                warning:
                    "experimental flag squash is removed with BuildKit. You should squash inside build using a multi-stage Dockerfile for efficiency."
            ),
            .ignored("rm", takesValue: false, \.flagWarnings, warning: ""),
            .ignored("force-rm", takesValue: false, \.flagWarnings, warning: ""),
            .bytes("builder", \.builder, help: "Ignored: there is one builder").hidden,
        ]

    /// What is said where a builder is chosen, which `BUILDX_BUILDER` does too.
    func builderWarnings(_ environment: SlipwayEnvironment) -> [String] {
        guard let name = builder ?? environment.variable(.builder), !name.isEmpty,
            name != "default"
        else { return [] }
        return ["the builder \"\(escapedForDisplay(name))\" is ignored: Slipway builds in its own process."]
    }
}
