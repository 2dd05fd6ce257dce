/// The colours of finished steps on a terminal, as escape sequences; empty for none.
package struct DisplayColors: Sendable, Hashable {
    package var run = "\u{1b}[34m"
    package var cancel = "\u{1b}[33m"
    package var warning = "\u{1b}[33m"
    package var error = "\u{1b}[31m"
    package var faint = "\u{1b}[2m"

    package static let none = DisplayColors(run: "", cancel: "", warning: "", error: "", faint: "")

    package init() {}

    private init(run: String, cancel: String, warning: String, error: String, faint: String) {
        self.run = run
        self.cancel = cancel
        self.warning = warning
        self.error = error
        self.faint = faint
    }

    /// The colours that the environment asks for.
    ///
    /// A `NO_COLOR` that is not empty means none. `BUILDKIT_COLORS` is a list as `run=green:error=light-red:cancel=255,0,255`;
    /// what is not understood of it is ignored.
    package init(environment: [String: String]) {
        if let value = environment["NO_COLOR"], !value.isEmpty {
            self = .none
            return
        }
        self.init()
        for field in (environment["BUILDKIT_COLORS"] ?? "").split(separator: ":") {
            let parts = field.split(separator: "=", omittingEmptySubsequences: false)
            guard parts.count == 2, let color = Self.color(parts[1].lowercased()) else { continue }
            switch parts[0].lowercased() {
            case "run": run = color
            case "cancel": cancel = color
            case "warning": warning = color
            case "error": error = color
            default: continue
            }
        }
    }

    private static func color(_ name: String) -> String? {
        if name == "default" { return "\u{1b}[39m" }
        let names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"]
        let isLight = name.hasPrefix("light-")
        if let number = names.firstIndex(of: isLight ? String(name.dropFirst(6)) : name) {
            return "\u{1b}[\((isLight ? 90 : 30) + number)m"
        }
        let levels = name.split(separator: ",").compactMap { UInt8($0) }
        guard levels.count == 3 else { return nil }
        return "\u{1b}[38;2;\(levels[0]);\(levels[1]);\(levels[2])m"
    }
}
