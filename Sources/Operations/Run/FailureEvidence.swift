package import LinuxSystem
package import Sandboxes
internal import Text

/// What is known of a step that failed, and what follows from it.
///
/// Advice is given only where the facts leave one cause: a wrong hint costs more than none.
package struct FailureEvidence: Sendable {
    /// A file of the step's root.
    package struct File: Sendable {
        package let mode: UInt32
        /// How a regular file begins; nil for anything else.
        package let head: [UInt8]?

        package init(mode: UInt32, head: [UInt8]?) {
            self.mode = mode
            self.head = head
        }
    }

    /// The network that the process was in.
    package enum Network: Sendable, Hashable { case host, own, none }

    package var exitCode: Int32
    /// The end of what the process wrote.
    package var output: [UInt8] = []
    /// Why the process did not start.
    package var failure: SandboxError?
    package var arguments: [[UInt8]] = []
    package var environment: [[UInt8]] = []
    /// Where the process started.
    package var directory: [UInt8] = []
    package var network = Network.own
    package var outOfMemoryKills = 0
    /// Of the file system that the step's root is on.
    package var space: FileSystemSpace?

    package init(exitCode: Int32) { self.exitCode = exitCode }

    /// The cause and the remedy; nil where the facts do not tell.
    ///
    /// `file` finds a file of the step's root by its path there.
    package func advice(file: ([UInt8]) -> File?) -> String? {
        outOfMemory ?? fullDisk ?? notExecutable(file) ?? notFound(file) ?? nameResolution ?? loopback
    }

    /// The lines of output, the last first.
    private var lines: [[UInt8]] {
        output.split(whereSeparator: { $0 == 0x0a || $0 == 0x0d }).reversed().map { Array($0) }
    }

    private func says(_ text: String) -> Bool { contains(output, text) }

    // MARK: Resources

    private var outOfMemory: String? {
        guard exitCode == 137, outOfMemoryKills > 0 else { return nil }
        return
            "the step used more memory than its limit and the kernel killed it; raise --memory (or --resource memory=…), or let it do less at once (fewer parallel jobs)"
    }

    private var fullDisk: String? {
        guard exitCode != 0, says("No space left on device") || says("Disk quota exceeded"), let space else {
            return nil
        }
        if let files = space.availableFiles, files == 0 {
            return
                "the file system of the store has no room for another file (no free inodes); `slipway builder prune` and `slipway image prune` free some"
        }
        guard space.availableBytes < 16 << 20 else { return nil }
        return
            "the file system of the store is full; `slipway system df` shows what takes up space, `slipway builder prune` and `slipway image prune` free it"
    }

    // MARK: Programs

    private func notExecutable(_ file: ([UInt8]) -> File?) -> String? {
        guard exitCode == 126 else { return nil }
        var started: [UInt8]?
        if case .programNotExecutable(let name, _)? = failure { started = located(name, file) }
        let named = lines.lazy.compactMap { program(in: $0, endingWith: ["Permission denied", "Exec format error"]) }
            .first
        guard let program = started ?? named.flatMap({ located($0, file) }), let found = file(program),
            let head = found.head
        else { return nil }
        let name = escapedForDisplay(program)
        if found.mode & 0o111 == 0 {
            return
                "\(name) is not executable (its mode is \(octal(found.mode))): COPY it with --chmod=755, or RUN chmod +x \(name) before"
        }
        return foreignFormat(name, head)
    }

    /// A program of another machine, or a script that does not say what runs it.
    private func foreignFormat(_ name: String, _ head: [UInt8]) -> String? {
        guard let machine = ExecutableFormat(head) else {
            guard !head.starts(with: "#!"), !head.isEmpty,
                head.allSatisfy({ $0 >= 0x20 || $0 == 0x0a || $0 == 0x09 || $0 == 0x0d })
            else { return nil }
            return
                "\(name) is a script without a first line such as #!/bin/sh, so the kernel does not know what runs it: add one"
        }
        guard machine != ExecutableFormat.current, let built = machine.name, let here = ExecutableFormat.current.name
        else {
            return nil
        }
        return
            "\(name) is a program for \(built) and this machine is \(here): use the file or the image for linux/\(here), or install emulation (Debian's qemu-user-static and binfmt-support)"
    }

    private func notFound(_ file: ([UInt8]) -> File?) -> String? {
        if case .programNotFound(let name)? = failure { return absent(name, file) }
        if case .programNotExecutable(let name, _)? = failure, let path = located(name, file) {
            return broken(path, file)
        }
        guard exitCode == 127 else { return nil }
        let endings = ["command not found", "not found", "No such file or directory"]
        guard let name = lines.lazy.compactMap({ program(in: $0, endingWith: endings) }).first else { return nil }
        if name.contains("/") {
            return absolute(name).flatMap { broken($0, file) }
        }
        return located(name, file) == nil ? absent(name, file) : nil
    }

    /// A program that is in no directory of PATH.
    private func absent(_ name: [UInt8], _ file: ([UInt8]) -> File?) -> String? {
        let shown = escapedForDisplay(name)
        if name == "/bin/sh", file(name) == nil {
            return
                "the image has no shell (/bin/sh), as images made from scratch: RUN in an earlier stage and COPY --from it, or use the JSON form RUN [\"program\", \"argument\"]"
        }
        guard !name.contains("/") else { return nil }
        let installers = [
            ("/usr/bin/apt-get", "RUN apt-get update && apt-get install -y --no-install-recommends PACKAGE"),
            ("/sbin/apk", "RUN apk add --no-cache PACKAGE"), ("/usr/bin/dnf", "RUN dnf install -y PACKAGE"),
            ("/usr/bin/microdnf", "RUN microdnf install -y PACKAGE"), ("/usr/bin/yum", "RUN yum install -y PACKAGE"),
            ("/usr/bin/zypper", "RUN zypper --non-interactive install PACKAGE"),
            ("/usr/bin/pacman", "RUN pacman -Sy --noconfirm PACKAGE"),
        ]
        let remedy = installers.first { file(Array($0.0.utf8)) != nil }.map { "install it before, as with `\($0.1)`" }
        return "\(shown) is in no directory of the image's PATH: "
            + (remedy ?? "COPY it from a stage or image that has it, or start from a larger base image")
    }

    /// A file that is there and yet "not found": what should run it is missing.
    private func broken(_ path: [UInt8], _ file: ([UInt8]) -> File?) -> String? {
        guard let head = file(path)?.head else { return nil }
        let shown = escapedForDisplay(path)
        if head.starts(with: "#!") {
            let line = head.dropFirst(2).prefix { $0 != 0x0a }
            if line.last == 0x0d {
                return
                    "the first line of \(shown) ends in a carriage return (a file with Windows line ends), so its interpreter is not found: convert the file (dos2unix, or git's autocrlf=input)"
            }
            let words = line.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 })
            guard let interpreter = words.first.map({ Array($0) }), file(interpreter) == nil else { return nil }
            return
                "\(shown) needs \(escapedForDisplay(interpreter)), which the image does not have: install it, or change the script's first line"
        }
        guard let loader = ExecutableFormat.loader(in: head), file(loader) == nil else { return nil }
        return
            "\(shown) needs the loader \(escapedForDisplay(loader)), which the image does not have: it was built for another C library (glibc or musl); build it in this image or link it statically"
    }

    // MARK: Network

    private var loopback: String? {
        guard exitCode != 0, network == .own, says("onnection refused"),
            let name = ["127.0.0.1", "localhost", "::1"].first(where: says)
        else { return nil }
        return
            "\(name) is the step itself, which has a network of its own: what listens on the host's loopback is reached with RUN --network=host and --allow network.host"
    }

    private var nameResolution: String? {
        let signs = [
            "Temporary failure resolving", "Temporary failure in name resolution", "Could not resolve host",
            "bad address",
            "Name or service not known", "DNS lookup error", "EAI_AGAIN", "no such host",
        ]
        guard exitCode != 0, let sign = signs.first(where: says) else { return nil }
        if network == .none {
            return "the step has no network (--network=none), and a host name could not be resolved in it"
        }
        return
            "a host name could not be resolved (\"\(sign)\"): the step uses the name servers of the host's /etc/resolv.conf; check that they answer, or pass the proxy with --build-arg https_proxy=… where there is one"
    }
}

extension FailureEvidence {
    /// The program that a shell complains of: the last word before the complaint, as in `/bin/sh: 1: foo: not found`.
    private func program(in line: [UInt8], endingWith endings: [String]) -> [UInt8]? {
        for ending in endings
        where line.count > ending.utf8.count && line.suffix(ending.utf8.count).elementsEqual(ending.utf8) {
            let words = line.dropLast(ending.utf8.count).split(
                separator: ":",
                omittingEmptySubsequences: true
            )
            .map { Array($0.drop { $0 == 0x20 }) }.filter { !$0.isEmpty }
            // A shell puts its own name in front; anything else is a program speaking of its files.
            guard words.count >= 2, let shell = words.first, let program = words.last, isShell(shell),
                !program.contains(0x20)
            else { return nil }
            return program
        }
        return nil
    }

    private func isShell(_ name: [UInt8]) -> Bool {
        let last = name.split(separator: "/").last.map { Array($0) } ?? []
        return ["sh", "ash", "bash", "dash", "zsh", "ksh"].contains { last.elementsEqual($0.utf8) }
    }

    /// Where a program is, as execvp(3) looks for it.
    private func located(_ name: [UInt8], _ file: ([UInt8]) -> File?) -> [UInt8]? {
        if name.contains("/") { return absolute(name) }
        let prefix: [UInt8] = "PATH="
        let path = environment.last { $0.starts(with: prefix) }?.dropFirst(prefix.count) ?? []
        return path.split(separator: ":").lazy.map { Array($0) + "/" + name }.first {
            file($0) != nil
        }
    }

    /// A path from the root; nil where the command may have changed its directory before.
    private func absolute(_ name: [UInt8]) -> [UInt8]? {
        if name.first == "/" { return name }
        guard !arguments.contains(where: { contains($0, "cd ") || contains($0, "pushd ") }) else { return nil }
        return directory + "/" + name
    }

    private func contains(_ bytes: [UInt8], _ text: String) -> Bool {
        let wanted = Array(text.utf8)
        guard let first = wanted.first, bytes.count >= wanted.count else { return false }
        var start = bytes.startIndex
        while let index = bytes[start...].firstIndex(of: first) {
            if bytes[index...].starts(with: wanted) { return true }
            start = index + 1
        }
        return false
    }

    private func octal(_ mode: UInt32) -> String {
        let digits = String(mode & 0o7777, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

/// What an ELF file says of itself.
///
/// See elf(5).
struct ExecutableFormat: Hashable {
    private let machine: UInt16

    private init(machine: UInt16) { self.machine = machine }

    /// Nil for what is no ELF file.
    init?(_ head: [UInt8]) {
        guard head.starts(with: [0x7f, 0x45, 0x4c, 0x46]), head.count >= 20 else { return nil }
        machine = head[5] == 2 ? UInt16(head[18]) << 8 | UInt16(head[19]) : UInt16(head[19]) << 8 | UInt16(head[18])
    }

    static var current: ExecutableFormat {
        #if arch(arm64)
            ExecutableFormat(machine: 183)
        #else
            ExecutableFormat(machine: 62)
        #endif
    }

    /// As platforms call it; nil for one that nobody builds images for.
    var name: String? {
        switch machine {
        case 3: "386"
        case 21: "ppc64le"
        case 22: "s390x"
        case 40: "arm"
        case 62: "amd64"
        case 183: "arm64"
        case 243: "riscv64"
        default: nil
        }
    }

    /// The loader that a file of this machine's kind names (PT_INTERP); nil for a static program.
    static func loader(in head: [UInt8]) -> [UInt8]? {
        guard ExecutableFormat(head) == .current, head[4] == 2 else { return nil }
        func number(at offset: Int, _ count: Int) -> Int? {
            guard offset >= 0, offset <= head.count - count else { return nil }
            let value = head[offset..<(offset + count)].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return value < 1 << 32 ? Int(value) : nil
        }
        guard let table = number(at: 32, 8), let size = number(at: 54, 2), let count = number(at: 56, 2) else {
            return nil
        }
        for entry in 0..<count {
            let start = table + entry * size
            guard let type = number(at: start, 4) else { return nil }
            if type != 3 { continue }
            guard let offset = number(at: start + 8, 8), let length = number(at: start + 32, 8), length > 1,
                offset + length <= head.count
            else { return nil }
            return Array(head[offset..<(offset + length - 1)])
        }
        return nil
    }
}
