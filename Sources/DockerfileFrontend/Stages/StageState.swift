import DockerfileSyntax
import LLB
import OCI
internal import Text

/// What a stage is while its instructions are carried out.
struct StageState {
    /// The file tree so far; nil for the empty one.
    var output: Output?
    var platform: Platform
    /// What RUN and expansions see: ENV and ARG, the later before the earlier.
    var variables = Variables()
    /// The image's own variables, in their order.
    private(set) var environment: [(name: [UInt8], value: [UInt8])] = []
    /// Where the first entry of each name stands in `environment`: an image may have tens of thousands.
    private var places: [[UInt8]: Int] = [:]
    /// What the image will say; its environment, directory and user are kept apart as bytes until the end.
    private var image: ImageConfiguration
    var baseConfiguration: ImageConfiguration?
    /// As the image will have it: empty where nothing was said.
    var workingDirectory: [UInt8] = []
    var user: [UInt8] = []
    var shell: [[UInt8]] = []
    /// The arguments that ARG declared so far.
    var arguments: [(name: [UInt8], value: [UInt8]?)] = []
    var hasWorkdir = false
    var hasCommand = false

    /// The empty image.
    init(scratch platform: Platform) {
        self.platform = platform
        image = ImageConfiguration(platform: platform)
        image.config = ContainerDefaults()
        workingDirectory = "/"
        addDefaultPath()
    }

    /// What an image leaves to its children.
    init(image: ImageConfiguration, output: Output?, platform: Platform) {
        self.platform = platform
        self.output = output
        self.image = image
        baseConfiguration = image
        self.image.created = nil
        let defaults = image.config ?? ContainerDefaults()
        self.image.config = defaults
        self.image.config?.onBuild = nil
        for text in defaults.environment ?? [] {
            let bytes = Array(text.utf8)
            let equals = bytes.firstIndex(of: "=") ?? bytes.count
            let value = Array(bytes[min(equals + 1, bytes.count)...])
            appendEnvironment(Array(bytes[..<equals]), value)
        }
        workingDirectory = Array((defaults.workingDirectory ?? "").utf8)
        user = Array((defaults.user ?? "").utf8)
        shell = defaults.shell?.map { Array($0.utf8) } ?? []
        addDefaultPath()
    }

    /// What a stage leaves to a stage built on it.
    init(continuing state: StageState) {
        self = state
        image.config?.onBuild = nil
        hasCommand = false
        addDefaultPath()
    }

    private mutating func addDefaultPath() {
        let path: [UInt8] = "PATH"
        if image.os != "windows", places[path] == nil {
            let value = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            appendEnvironment(path, Array(value.utf8))
        }
        for (name, value) in environment { variables.set(name, to: value) }
    }

    /// Where commands run and relative paths begin.
    var directory: [UInt8] { workingDirectory.isEmpty ? "/" : absolute(workingDirectory) }

    private func absolute(_ path: [UInt8]) -> [UInt8] {
        path.first == "/" ? path : joinedPath("/", path)
    }

    /// The command that runs text: what SHELL says.
    func withShell(_ text: [UInt8]) -> [[UInt8]] {
        let standard = image.os == "windows" ? ["cmd", "/S", "/C"] : ["/bin/sh", "-c"]
        return (shell.isEmpty ? standard.map { Array($0.utf8) } : shell) + [text]
    }

    mutating func setEnvironment(_ name: [UInt8], to value: [UInt8]) {
        variables.set(name, to: value)
        if let index = places[name] {
            environment[index].value = value
        } else {
            appendEnvironment(name, value)
        }
    }

    private mutating func appendEnvironment(_ name: [UInt8], _ value: [UInt8]) {
        if places[name] == nil { places[name] = environment.count }
        environment.append((name, value))
    }

    /// Changes what containers of the image start with.
    mutating func change(_ body: (inout ContainerDefaults) -> Void) {
        var defaults = image.config ?? ContainerDefaults()
        // Moved, not copied: there may be many labels, and many instructions that add one.
        image.config = nil
        body(&defaults)
        image.config = defaults
    }

    mutating func setAuthor(_ author: [UInt8]) { image.author = author.displayText }

    /// An image's configuration is not read where it is longer, so none that is longer may be made.
    static let maximumHistory = 4 << 20
    /// The bytes of the lines added to the history.
    private(set) var historySize = 0

    /// Adds a line to the image's history.
    mutating func record(_ text: [UInt8], hasLayer: Bool) {
        historySize += text.count
        let entry = HistoryEntry(
            created: nil,
            createdBy: text.displayText,
            comment: "buildkit.dockerfile.v0",
            emptyLayer: hasLayer ? nil : true
        )
        image.history = image.history ?? []
        image.history?.append(entry)
    }

    /// What the image says of itself.
    ///
    /// It cannot hold bytes that are not UTF-8.
    var configuration: ImageConfiguration {
        var configuration = image
        let variables = environment.map { ($0.name + "=" + $0.value).displayText }
        configuration.config?.environment = variables.isEmpty ? nil : variables
        configuration.config?.workingDirectory = workingDirectory.isEmpty ? nil : workingDirectory.displayText
        configuration.config?.user = user.isEmpty ? nil : user.displayText
        configuration.config?.shell = shell.isEmpty ? nil : shell.map(\.displayText)
        return configuration
    }
}
