internal import LinuxSystem
package import SystemPackage
internal import Text

/// What the user lets a build have of the machine's devices: `--allow device`.
package struct DeviceGrants: Sendable, Hashable {
    package var allowsAll = false
    /// Of devices or classes.
    package var names: Set<String> = []
    /// What a name in a build stands for.
    package var aliases: [String: String] = [:]

    package init() {}
}

/// The devices that files of the machine describe, by their full names.
package struct DeviceRegistry: Sendable {
    /// Where BuildKit looks; what a later one says goes before what an earlier one says.
    package static let usualDirectories: [FilePath] = ["/etc/cdi", "/var/run/cdi", "/etc/buildkit/cdi"]

    private static let classAnnotation = "org.mobyproject.buildkit.device.class"
    private static let allowAnnotation = "org.mobyproject.buildkit.device.autoallow"

    private struct Entry: Sendable {
        let specification: DeviceSpecification
        let device: DeviceSpecification.Device
        let directory: Int

        var annotations: [String: String] { specification.annotations.merging(device.annotations) { $1 } }
    }

    private let directories: [FilePath]
    private let autoAllowed: Set<String>
    private var entries: [String: Entry] = [:]
    /// What is wrong with files, which then count as not there.
    package private(set) var problems: [String] = []

    /// - Parameters:
    ///   - directories: where files are; one that does not exist is empty.
    ///   - autoAllowed: devices and classes that every build may have.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(reading directories: [FilePath] = usualDirectories, autoAllowed: Set<String> = []) {
        self.directories = directories
        self.autoAllowed = autoAllowed
        for (index, directory) in directories.enumerated() {
            do throws(SystemCallError) {
                guard try HostFiles.status(of: HostFiles.resolved(directory)) != nil else { continue }
                for name in try HostFiles.entries(of: directory).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                    read(directory.appending(name: name), index)
                }
            } catch {
                if error.errno != .noSuchFileOrDirectory { problems.append("\(error)") }
            }
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private mutating func read(_ file: FilePath, _ directory: Int) {
        guard ["json", "yaml"].contains(file.extension) else { return }
        do {
            let opened = try OpenFile.open(file, [.readOnly, .nonBlocking])
            guard try opened.status().type == .regular else { return }
            let bytes = try opened.readToEnd(limit: DeviceSpecification.maximumSize)
            add(try DeviceSpecification(parsing: bytes, file: file), directory)
        } catch {
            problems.append("\(error)")
        }
    }

    private mutating func add(_ specification: DeviceSpecification, _ directory: Int) {
        for device in specification.devices {
            let name = "\(specification.kind)=\(device.name)"
            if let other = entries[name], other.directory == directory {
                let files = [other.specification.file, specification.file].map { escapedForDisplay($0.bytes) }
                problems.append("\(files.joined(separator: " and ")) both have the device \(name)")
                entries[name] = nil
            } else {
                entries[name] = Entry(specification: specification, device: device, directory: directory)
            }
        }
    }

    // MARK: Names

    /// The devices that a build gets for what it asks for, as BuildKit finds them.
    /// - Parameters:
    ///   - requests: names of devices (`vendor.com/class=name`), of all of a class (`=*`), of one of a class, or what an annotation
    ///     calls a class.
    ///   - grants: what it may have.
    /// - Returns: full names, each once.
    /// - Throws: `DeviceError`.
    package func devices(
        for requests: [(name: String, isOptional: Bool)],
        _ grants: DeviceGrants
    ) throws(DeviceError) -> [String] {
        var found: [String] = []
        var forbidden: [String] = []
        let granted = Set(grants.names.flatMap { matches($0) })
        for request in requests {
            let meant = grants.aliases[request.name]
            let names = matches(meant ?? request.name)
            guard !names.isEmpty || request.isOptional else {
                throw .notRegistered(
                    meant ?? request.name,
                    directories: directories.map { escapedForDisplay($0.bytes) },
                    broken: problems
                )
            }
            for name in names where !found.contains(name) && !forbidden.contains(name) {
                if grants.allowsAll || meant != nil || granted.contains(name) || isAutoAllowed(name) {
                    found.append(name)
                } else {
                    forbidden.append(name)
                }
            }
        }
        guard forbidden.isEmpty else { throw .notAllowed(forbidden) }
        return found
    }

    private func matches(_ request: String) -> [String] {
        let parts = request.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let all = entries.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let kind = parts[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        var found: [String] = []
        if kind.count == 2, kind.allSatisfy({ !$0.isEmpty }) {
            let ofKind = all.filter { $0.hasPrefix("\(parts[0])=") }
            switch parts.count > 1 ? parts[1] : "" {
            case "": found = Array(ofKind.prefix(1))
            case "*": found = ofKind
            default: found = ofKind.filter { $0 == request }
            }
        }
        return found.isEmpty ? all.filter { entries[$0]?.annotations[Self.classAnnotation] == request } : found
    }

    private func isAutoAllowed(_ name: String) -> Bool {
        let kind = String(name.prefix { $0 != "=" })
        // As Go's strconv.ParseBool reads it.
        let isSaidSo = ["1", "t", "T", "TRUE", "true", "True"].contains(
            entries[name]?.annotations[Self.allowAnnotation]
        )
        return isSaidSo || autoAllowed.contains(name) || autoAllowed.contains(kind)
    }

    /// All devices, by their full names.
    package var all: [(name: String, isAutoAllowed: Bool, annotations: [String: String])] {
        entries.sorted { $0.key < $1.key }.map { ($0.key, isAutoAllowed($0.key), $0.value.annotations) }
    }

    // MARK: Giving

    /// Gives a process devices, and what else the files say that goes with them.
    /// - Throws: `DeviceError.unusable` for what is not on this machine.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func give(_ names: [String], to configuration: inout SandboxConfiguration) throws(DeviceError) {
        var files: Set<FilePath> = []
        for name in names {
            guard let entry = entries[name] else { continue }
            let file = entry.specification.file
            if files.insert(file).inserted { try entry.specification.edits.apply(to: &configuration, from: file) }
            try entry.device.edits.apply(to: &configuration, from: file)
        }
    }
}
