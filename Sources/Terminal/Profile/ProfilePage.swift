internal import Hashing
internal import LinuxSystem
internal import OCI
internal import Text

/// A profile as one page of HTML that reads nothing else: a waterfall of the steps, what decided the time, and each step's costs.
///
/// Everything can be read without its script, which only adds keys. The page has no attribute `style`, so that its policy can name
/// its own style sheet and script by their digests and refuse all else.
struct ProfilePage {
    let profile: BuildProfile
    private let critical: Set<Int>

    init(_ profile: BuildProfile) {
        self.profile = profile
        critical = Set(profile.criticalPath)
    }

    var html: String {
        var page = Markup()
        page.element("html", ["lang": "en"]) { page in
            page.lineBreak()
            page.element("head") { head(&$0) }
            page.lineBreak()
            page.element("body") { page in
                page.element("header") { header(&$0) }
                page.lineBreak()
                page.element("main") { page in
                    page.element("section", ["aria-labelledby": "steps"]) { waterfall(&$0) }
                    if !profile.criticalPath.isEmpty {
                        page.element("section", ["aria-labelledby": "path"]) { path(&$0) }
                    }
                }
                page.lineBreak()
                page.element("script", verbatim: Self.script)
            }
        }
        return "<!DOCTYPE html>\n\(page.html)\n"
    }

    // MARK: Above the steps

    private func head(_ page: inout Markup) {
        page.open("meta", ["charset": "utf-8"])
        page.open("meta", ["http-equiv": "Content-Security-Policy", "content": Self.policy])
        page.open("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
        page.open("meta", ["name": "color-scheme", "content": "light dark"])
        page.open("meta", ["name": "referrer", "content": "no-referrer"])
        page.element("title", text: "Build of \(profile.build.name): \(ending)")
        page.lineBreak()
        page.element("style", verbatim: Self.style)
    }

    /// Nothing is fetched or sent, and of styles and scripts only the page's own act.
    private static let policy = [
        "default-src 'none'", "style-src '\(source(style))'", "script-src '\(source(script))'", "base-uri 'none'",
        "form-action 'none'",
    ].joined(separator: "; ")

    private static func source(_ content: StaticString) -> String {
        var digest = SecureHash(.sha256)
        digest.update("\(content)".utf8)
        return "sha256-\(base64(digest.finalized()))"
    }

    private var ending: String {
        let time = ProfileNumbers.duration(profile.build.seconds)
        return switch profile.build.ending {
        case .completed: "completed in \(time)"
        case .failed: "failed after \(time)"
        case .canceled: "canceled after \(time)"
        }
    }

    private func header(_ page: inout Markup) {
        page.element("h1") { page in
            page.text("Build of ")
            page.element("bdi", text: profile.build.name)
        }
        page.element("p", ["class": "ending \(profile.build.ending.rawValue)"], text: ending)
        if let error = profile.build.error { page.element("pre", ["class": "error"], text: error) }
        page.element("dl", ["class": "sums"]) { page in
            for (name, value) in sums {
                page.element("div") { page in
                    page.element("dt", text: name)
                    page.element("dd", text: value)
                }
            }
        }
    }

    private var sums: [(name: String, value: String)] {
        func count(_ state: BuildProfile.State, _ words: String) -> String? {
            let number = profile.steps.count { $0.state == state }
            return number == 0 ? nil : "\(number) \(words)"
        }
        let counts = [
            count(.ran, "ran"), count(.cached, "cached"), count(.failed, "failed"), count(.canceled, "canceled"),
            count(.skipped, "not needed"), count(.notReached, "not reached"),
        ]
        var sums = [("Steps", counts.compactMap(\.self).joined(separator: ", "))]
        if let seconds = profile.processorSeconds { sums.append(("Processor", ProfileNumbers.duration(seconds))) }
        if let most = profile.steps.compactMap(\.usage).max(by: { $0.peakMemory < $1.peakMemory }) {
            sums.append(("Largest process", ProfileNumbers.peak(of: most)))
        }
        if let size = profile.layerSize { sums.append(("Layers", ProfileNumbers.size(size))) }
        let began = profile.build.started.rfc3339.prefix(19).replacing("T", with: " ")
        sums.append(("Began", "\(began) UTC"))
        if let id = profile.build.id { sums.append(("Build", id)) }
        return sums
    }

    private func path(_ page: inout Markup) {
        page.element("h2", ["id": "path"], text: "Critical path")
        let own = ProfileNumbers.duration(profile.criticalSeconds)
        let whole = ProfileNumbers.duration(profile.build.seconds)
        page.element(
            "p",
            text:
                "These steps decided how long the build took: \(own) of its \(whole). Only a faster one of them makes it faster."
        )
        page.element("ol", ["class": "path"]) { page in
            for number in profile.criticalPath {
                let step = profile.steps[number]
                page.element("li") { page in
                    page.element("a", ["href": "#\(Self.anchor(number))"]) { page in
                        page.element("bdi", text: step.name)
                    }
                    page.text(" ")
                    page.element("span", ["class": "time"], text: ProfileNumbers.duration(step.span?.seconds ?? 0))
                }
            }
        }
    }

    static func anchor(_ number: Int) -> String { "step-\(number + 1)" }

    // MARK: The steps

    private func waterfall(_ page: inout Markup) {
        page.element("h2", ["id": "steps"], text: "Steps")
        if !profile.criticalPath.isEmpty {
            page.element("p", ["class": "choice"]) { page in
                page.open("input", ["type": "checkbox", "id": "only"])
                page.element("label", ["for": "only"]) { page in
                    page.text("Only the critical path ")
                    page.element("span", ["class": "mark"], text: "◆")
                }
            }
        }
        if profile.steps.contains(where: { $0.processSpan != nil }) {
            page.element(
                "p",
                ["class": "legend"],
                text:
                    "The pale part of a bar is the time before and after the step's process: its files are made ready, and its result is kept."
            )
        }
        page.element(
            "p",
            ["class": "keys"],
            text: "↑ and ↓ go from step to step and show each; Enter opens and closes one."
        )
        page.element("div", ["class": "axis", "aria-hidden": "true"]) { page in
            page.element("svg", ["class": "ticks", "width": "100%", "height": "16"]) { page in
                for (quarter, anchor) in ["start", "middle", "middle", "middle", "end"].enumerated() {
                    page.element(
                        "text",
                        ["x": "\(quarter * 25)%", "y": "12", "text-anchor": anchor],
                        text: ProfileNumbers.duration(profile.build.seconds * Double(quarter) / 4)
                    )
                }
            }
        }
        page.element("ol", ["class": "steps"]) { page in
            for (number, step) in profile.steps.enumerated() { row(number, step, &page) }
        }
    }

    private func row(_ number: Int, _ step: BuildProfile.Step, _ page: inout Markup) {
        let isCritical = critical.contains(number)
        let state = step.state == .notReached ? "unreached" : step.state.rawValue
        page.lineBreak()
        page.element("li", ["class": "step \(state)\(isCritical ? " critical" : "")", "id": Self.anchor(number)]) {
            page in
            page.element("details") { page in
                page.element("summary") { page in
                    page.element("span", ["class": "name"]) { page in
                        if isCritical {
                            page.element("span", ["class": "mark", "title": "on the critical path"]) { page in
                                page.element("span", ["aria-hidden": "true"], text: "◆ ")
                                page.element("span", ["class": "spoken"], text: "Critical: ")
                            }
                        }
                        page.element("bdi", text: step.name)
                    }
                    page.element("span", ["class": "facts"], text: facts(of: step).joined(separator: " · "))
                    bar(step, isCritical, &page)
                }
                page.element("dl") { page in details(number, step, &page) }
            }
        }
    }

    /// What is told of a step at once.
    private func facts(of step: BuildProfile.Step) -> [String] {
        var facts = [step.state.words]
        if step.tookTime, let span = step.span { facts.append(ProfileNumbers.duration(span.seconds)) }
        if let usage = step.usage {
            facts.append("processor \(ProfileNumbers.duration(usage.processorSeconds))")
            facts.append("memory \(ProfileNumbers.peak(of: usage))")
            facts.append("disk \(ProfileNumbers.size(usage.bytesRead + usage.bytesWritten))")
        }
        if let size = step.layerSize { facts.append("layer \(ProfileNumbers.size(size))") }
        return facts
    }

    private func bar(_ step: BuildProfile.Step, _ isCritical: Bool, _ page: inout Markup) {
        page.element("svg", ["class": "bar", "width": "100%", "height": "18", "aria-hidden": "true"]) { page in
            guard let span = step.span else { return }
            if step.tookTime {
                rectangle(span, isCritical, isPart: step.processSpan != nil, &page)
                if let process = step.processSpan { rectangle(process, isCritical, isPart: false, &page) }
            } else {
                let start = ProfileNumbers.percentage(span.start, of: profile.build.seconds)
                page.element("circle", ["cx": start, "cy": "9", "r": "3"]) { _ in }
            }
        }
    }

    /// A bar; a part of one, about which another says more, is pale.
    private func rectangle(_ span: BuildProfile.Span, _ isCritical: Bool, isPart: Bool, _ page: inout Markup) {
        let whole = profile.build.seconds
        let start = ProfileNumbers.percentage(span.start, of: whole)
        let width = ProfileNumbers.percentage(span.seconds, of: whole)
        // A critical bar is taller, besides having another color.
        let (top, height) = isCritical ? ("2", "14") : ("5", "8")
        page.element(
            "rect",
            ["class": isPart ? "pale" : "full", "x": start, "y": top, "width": width, "height": height]
        ) { _ in }
    }
}

extension BuildProfile {
    /// The profile as a page for people.
    package var page: String { ProfilePage(self).html }
}

extension BuildProfile.State {
    /// As people read it.
    var words: String { self == .skipped ? "not needed" : rawValue }
}
