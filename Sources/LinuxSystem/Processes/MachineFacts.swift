internal import Glibc
internal import SystemPackage

/// What a program tells others of the machine it runs on.
package struct MachineFacts: Sendable, Hashable {
    /// As `uname -r` and `uname -m` print them; see uname(2).
    package var kernelRelease = ""
    package var architecture = ""
    /// The distribution as it calls itself; see os-release(5).
    package var system = "Linux"
    /// In bytes; see proc_meminfo(5).
    package var memory: Int64 = 0
    package var processors = 1

    /// Asks the system; what it does not tell is empty.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func current() -> MachineFacts {
        var facts = MachineFacts()
        var names = utsname()
        if uname(&names) == 0 {
            facts.kernelRelease = text(names.release)
            facts.architecture = text(names.machine)
        }
        for path in ["/etc/os-release", "/usr/lib/os-release"] {
            guard let name = value(of: "PRETTY_NAME", separator: "=", in: path) else { continue }
            facts.system = name.filter { $0 != "\"" && $0 != "'" }
            break
        }
        let memory = value(of: "MemTotal", separator: ":", in: "/proc/meminfo")
        let kibibytes = memory?.split(separator: " ").first.flatMap { Int64($0) } ?? 0
        facts.memory = kibibytes << 10
        facts.processors = ProcessContext.processors
        return facts
    }

    /// The value on the line of a file that begins with a name.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func value(of name: String, separator: Character, in path: String) -> String? {
        guard let content = try? contentsIfPresent(of: FilePath(path), limit: 1 << 16) else { return nil }
        for line in String(decoding: content, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: separator, maxSplits: 1)
            if parts.count == 2, parts[0] == name { return String(parts[1]) }
        }
        return nil
    }

    /// The text in an array of C, which Swift has as a tuple.
    private static func text<Characters>(_ characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
