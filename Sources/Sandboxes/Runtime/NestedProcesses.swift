package import LinuxSystem
internal import SystemPackage

/// Finds the processes of a sandbox whose runtime is alone with it in a process namespace.
package enum NestedProcesses {
    /// The number that the host gives process 1 of a sandbox that is in the keeping of a runtime.
    ///
    /// The runtime has more children: those that other processes left in the sandbox.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func first(in runtime: Int32) throws -> Int32? {
        try parents().filter { $0.value == runtime }.keys.first { ProcessNamespaces(of: $0)?.numbers.last == 1 }
    }

    /// A process of a sandbox by the number that its runtime has for it; nil where it has ended.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func process(numbered number: Int32, beside first: Int32) -> ProcessReference? {
        guard let namespace = ProcessNamespaces(of: first) else { return nil }
        for candidate in (try? numbers()) ?? [] {
            guard let found = ProcessNamespaces(of: candidate), found.namespace == namespace.namespace,
                found.numbers.dropLast().last == number
            else { continue }
            return ProcessReference(processID: candidate)
        }
        return nil
    }

    /// The parent of each process.
    ///
    /// See proc_pid_stat(5).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func parents() throws -> [Int32: Int32] {
        var parents: [Int32: Int32] = [:]
        for number in try numbers() {
            // One that has ended since is no longer anybody's child.
            guard let bytes = try? OpenFile.open(FilePath("/proc/\(number)/stat"), .readOnly).readToEnd(limit: 65_536),
                let end = bytes.lastIndex(of: 0x29)
            else { continue }
            let fields = String(decoding: bytes[(end + 1)...], as: UTF8.self).split(separator: " ")
            if fields.count > 1, let parent = Int32(fields[1]) { parents[number] = parent }
        }
        return parents
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func numbers() throws -> [Int32] {
        try HostFiles.entries(of: "/proc").compactMap { Int32(String(decoding: $0, as: UTF8.self)) }
    }
}
