package import Containers
package import Images
package import LinuxSystem
internal import OCI
internal import SystemPackage
internal import Terminal

extension ContainerRecord {
    /// What is mounted, by the volume's name or the path of the host.
    package var mountNames: [String] {
        configuration.mounts.compactMap { mount in
            switch mount.kind {
            case .bind(let source): source.string
            case .volume(let name, _): name
            case .tmpfs: nil
            }
        }
    }

    /// The ports that the container exposes, published or not, as `80/tcp`.
    package var exposedEndpoints: [String] {
        let exposed = configuration.options.exposedPorts.map { $0.contains("/") ? $0 : $0 + "/tcp" }
        return Array(Set(exposed + configuration.ports.map(\.containerEndpoint))).sorted()
    }

    /// `none` where nothing checks it, else `starting`, `healthy` or `unhealthy`.
    package var health: String { state.run?.health?.status.rawValue ?? "none" }

    /// What it runs, as lists show it: an argument with a space stands in quotes, the program does not.
    package var commandText: String {
        configuration.arguments.enumerated().map { index, argument in
            index > 0 && argument.utf8.contains(0x20) ? "'\(argument)'" : argument
        }.joined(separator: " ")
    }

    /// What has become of it, as `Up 2 minutes (healthy)`.
    package func statusText(now: FileTime) -> String {
        switch state.status {
        case .created: return "Created"
        case .running:
            let seconds = state.started.map { now.seconds - $0 } ?? 0
            return "Up \(DurationText.rough(seconds: seconds))" + healthText
        case .exited:
            let end = state.ending?.finished.map { " " + DurationText.ago(FileTime(seconds: $0), now: now) } ?? ""
            return "Exited (\(state.exitCode ?? 0))\(end)"
        }
    }

    private var healthText: String {
        switch health {
        case "none": ""
        case "starting": " (health: starting)"
        case let health: " (\(health))"
        }
    }
}

extension ImageStore {
    /// The name that a container was made with, while it still stands for the same image; else the image's id.
    package func shownName(of record: ContainerRecord, isWhole: Bool) async throws -> String {
        let name = record.configuration.imageName
        guard let id = record.configuration.imageID else { return name }
        if let found = try? await image(name), found.id == id || found.index != nil { return name }
        return isWhole ? id.description : id.short
    }
}
