package import LinuxSystem
package import SystemPackage
import Text

/// Whether programs for another processor can run here: the kernel hands them to an emulator that was registered with it.
///
/// See binfmt_misc in the kernel's documentation. The registration is looked at itself, not the names that distributions give it:
/// a handler is one for an architecture if it takes the beginning of such a program.
package struct Emulation: Sendable {
    /// What is known about running a program.
    package enum Answer: Sendable, Hashable {
        /// The processor runs it, or an emulator does.
        case runs
        /// It does not run; why, and what to do.
        case obstacle(String)
        /// It may run: handlers cannot be seen from here, or one needs an emulator inside the root. What to do where it does not.
        case uncertain(String)
    }

    private let directory: FilePath
    private let machine: String

    /// - Parameters:
    ///   - directory: where the kernel lists handlers.
    ///   - machine: this machine's architecture, by Go's name.
    package init(handlers directory: FilePath = "/proc/sys/fs/binfmt_misc", machine: String) {
        self.directory = directory
        self.machine = machine
    }

    /// Whether programs for a platform, both parts by Go's names, run here.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func answer(os: String, architecture: String) throws(SystemCallError) -> Answer {
        guard os == "linux" else { return .obstacle("this machine runs programs for linux only") }
        if Self.native[machine, default: [machine]].contains(architecture) { return .runs }
        guard let program = ProgramHeader(architecture: architecture) else {
            return .obstacle("the architecture \(architecture) is not known to have an emulator")
        }
        let remedy =
            "install an emulator (Debian and Ubuntu: apt-get install qemu-user-static binfmt-support; elsewhere register QEMU's static programs with the flag F)"
        switch try fileContent("status") {
        case nil: return .uncertain("\(directory) is not mounted, so emulators cannot be seen; \(remedy)")
        case let status? where !status.starts(with: "enabled"):
            return .obstacle("binfmt_misc is switched off; switch it on with echo 1 > \(directory)/status")
        case .some: break
        }
        var unusable: String?
        for name in try HostFiles.entries(of: directory) {
            let name = String(decoding: name, as: UTF8.self)
            guard !["status", "register"].contains(name), let content = try fileContent(name),
                let handler = ProgramHandler(parsing: content), handler.isEnabled, handler.takes(program)
            else { continue }
            // Without the flag the kernel looks for the emulator in the root of the step.
            if handler.isOpenedAtRegistration { return .runs }
            unusable = unusable ?? name
        }
        if let unusable {
            return .uncertain(
                "its emulator \(unusable) is registered without the flag F, which steps need because they have a root of their own; \(remedy)"
            )
        }
        return .obstacle("no emulator for it is registered in \(directory); \(remedy)")
    }

    private func fileContent(_ name: String) throws(SystemCallError) -> [UInt8]? {
        do throws(SystemCallError) {
            return try OpenFile.open(directory.appending(name), .readOnly).readToEnd(limit: 1 << 16)
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
    }

    /// What a processor runs by itself, besides its own: 32-bit programs of its family.
    private static let native = ["amd64": ["amd64", "386"], "arm64": ["arm64", "arm"]]
}

/// The beginning of an ELF program for an architecture: what handlers look at.
///
/// See elf(5).
struct ProgramHeader {
    let bytes: [UInt8]

    init?(architecture: String) {
        guard let kind = Self.kinds[architecture] else { return nil }
        let isBig = kind.order == .big
        func pair(_ value: UInt16) -> [UInt8] {
            let bytes = [UInt8(value >> 8), UInt8(value & 0xff)]
            return isBig ? bytes : bytes.reversed()
        }
        var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, kind.bits == 64 ? 2 : 1, isBig ? 2 : 1, 1]
        bytes += [UInt8](repeating: 0, count: 9)
        // An executable file, of version 1.
        bytes += pair(2) + pair(kind.machine) + (isBig ? pair(0) + pair(1) : pair(1) + pair(0))
        self.bytes = bytes + [UInt8](repeating: 0, count: 128 - bytes.count)
    }

    private enum Order { case little, big }

    private static let kinds: [String: (bits: Int, order: Order, machine: UInt16)] = [
        "amd64": (64, .little, 62), "386": (32, .little, 3), "arm64": (64, .little, 183), "arm": (32, .little, 40),
        "ppc64le": (64, .little, 21), "ppc64": (64, .big, 21), "s390x": (64, .big, 22), "riscv64": (64, .little, 243),
        "loong64": (64, .little, 258), "mips64le": (64, .little, 8), "mips64": (64, .big, 8),
        "mipsle": (32, .little, 8), "mips": (32, .big, 8),
    ]
}

/// One handler, as the kernel describes it in its file.
struct ProgramHandler {
    private(set) var isEnabled = false
    /// The flag F: the kernel opened the emulator when it was registered.
    private(set) var isOpenedAtRegistration = false
    private var offset = 0
    private var magic: [UInt8] = []
    private var mask: [UInt8] = []

    init?(parsing content: [UInt8]) {
        for line in content.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1)
            guard let key = words.first else { continue }
            let value = words.count > 1 ? Array(words[1]) : []
            switch String(decoding: key, as: UTF8.self) {
            case "enabled": isEnabled = true
            case "flags:": isOpenedAtRegistration = value.contains("F")
            case "offset":
                guard let number = Int(String(decoding: value, as: UTF8.self)) else { return nil }
                offset = number
            case "magic":
                guard let bytes = Self.bytes(value) else { return nil }
                magic = bytes
            case "mask":
                guard let bytes = Self.bytes(value) else { return nil }
                mask = bytes
            default: continue
            }
        }
        // Others go by the ending of a file's name.
        if magic.isEmpty || offset < 0 || offset > 128 { return nil }
    }

    /// Whether the kernel would hand it such a program.
    func takes(_ program: ProgramHeader) -> Bool {
        let window = program.bytes.dropFirst(offset)
        guard window.count >= magic.count else { return false }
        return zip(window, magic).enumerated().allSatisfy { index, pair in
            let bits = index < mask.count ? mask[index] : 0xff
            return pair.0 & bits == pair.1 & bits
        }
    }

    private static func bytes(_ hexadecimal: [UInt8]) -> [UInt8]? {
        guard hexadecimal.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: hexadecimal.count, by: 2) {
            let digits = String(decoding: hexadecimal[start..<(start + 2)], as: UTF8.self)
            guard let byte = UInt8(digits, radix: 16) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
