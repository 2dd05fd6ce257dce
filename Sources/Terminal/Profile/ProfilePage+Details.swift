internal import LinuxSystem
internal import OCI

extension ProfilePage {
    /// Everything that is known of a step, as names and values of a list.
    func details(_ number: Int, _ step: BuildProfile.Step, _ page: inout Markup) {
        func entry(_ name: String, _ value: (inout Markup) -> Void) {
            page.element("dt", text: name)
            page.element("dd") { value(&$0) }
        }
        func entry(_ name: String, _ value: String) { entry(name) { $0.text(value) } }

        let reasons = reasons(of: step)
        entry("Why") { page in
            for reason in reasons { page.element("p", ["class": "reason"], text: reason) }
        }
        if let error = step.error {
            entry("Error") { $0.element("pre", ["class": "error"], text: error) }
        }
        if let span = step.span {
            let start = ProfileNumbers.duration(span.start)
            entry(
                "Time",
                "\(ProfileNumbers.duration(span.seconds)), from \(start) to \(ProfileNumbers.duration(span.end))"
            )
        }
        if let process = step.processSpan {
            let start = ProfileNumbers.duration(process.start)
            entry(
                "Process",
                "\(ProfileNumbers.duration(process.seconds)), from \(start) to \(ProfileNumbers.duration(process.end))"
            )
        }
        if let usage = step.usage { for (name, value) in values(of: usage, step) { entry(name, value) } }
        if let size = step.layerSize { entry("Layer", "\(ProfileNumbers.size(size)) of files") }
        if let place = step.place { entry("Where", "\(place.dockerfile), line \(place.line)") }
        if !step.inputs.isEmpty {
            entry("Uses") { page in
                page.element("ul") { page in
                    for input in step.inputs {
                        page.element("li") { page in
                            page.element("a", ["href": "#\(Self.anchor(input))"]) { page in
                                page.element("bdi", text: profile.steps[input].name)
                            }
                        }
                    }
                }
            }
        }
        entry("Digest") { $0.element("code", text: step.vertex.description) }
    }

    private func values(of usage: ResourceUsage, _ step: BuildProfile.Step) -> [(name: String, value: String)] {
        let (own, kernel) = (Double(usage.userTime) / 1e6, Double(usage.systemTime) / 1e6)
        var processor = ProfileNumbers.duration(usage.processorSeconds)
        if let seconds = step.processSpan?.seconds, seconds > 0 {
            processor += ", \(fixedPoint(usage.processorSeconds / seconds * 100, decimals: 0)) % of a processor"
        }
        processor += " (programs \(ProfileNumbers.duration(own)), kernel \(ProfileNumbers.duration(kernel)))"
        return [
            ("Processor", processor),
            ("Memory", "\(ProfileNumbers.peak(of: usage)) in the largest process"),
            (
                "Disk",
                "\(ProfileNumbers.size(usage.bytesRead)) read, \(ProfileNumbers.size(usage.bytesWritten)) written"
            ),
        ]
    }

    private func reasons(of step: BuildProfile.Step) -> [String] {
        if !step.reasons.isEmpty { return step.reasons }
        return switch step.state {
        case .ran: [step.isOfGraph ? "this build has no record of it" : "it is part of every build"]
        case .cached: ["nothing that it depends on changed"]
        case .skipped: ["nothing that ran needed it"]
        case .failed: ["it failed before there was a reason to run it"]
        case .canceled: ["the build ended while it ran"]
        case .notReached: ["the build ended before it"]
        }
    }
}
