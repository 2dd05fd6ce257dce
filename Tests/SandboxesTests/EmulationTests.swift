import Glibc
import LinuxSystem
import Sandboxes
import SystemPackage
import Testing

/// Handlers as the kernel shows them, in a directory of the test's own.
@Suite struct `Programs for other processors` {
    /// What Debian's qemu-user-static registers for arm64.
    private static let arm64 = """
        enabled
        interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
        flags: POCF
        offset 0
        magic 7f454c460201010000000000000000000200b700
        mask ffffffffffffff00fffffffffffffffffeffffff

        """
    /// The same for big-endian s390x.
    private static let s390x = """
        enabled
        interpreter /usr/bin/qemu-s390x-static
        flags: F
        offset 0
        magic 7f454c4602020100000000000000000000020016
        mask ffffffffffffff00fffffffffffffffffffeffff

        """
    private static let jar = """
        enabled
        interpreter /usr/bin/jexec
        flags: F
        extension .jar

        """

    private func answer(
        _ handlers: [String: String],
        machine: String = "amd64",
        os: String = "linux",
        architecture: String
    ) async throws -> Emulation.Answer {
        var template = Array("/tmp/slipway-handlers-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemCallError("mkdtemp", errno: Errno(rawValue: errno)) }
        let directory = FilePath(platformString: template)
        return try await onBlockingPool {
            for (name, text) in handlers {
                try OpenFile.open(directory.appending(name), [.writeOnly, .create]).write(Array(text.utf8))
            }
            let emulation = Emulation(handlers: directory, machine: machine)
            let answer = try emulation.answer(os: os, architecture: architecture)
            try removeTree(directory)
            return answer
        }
    }

    private func text(_ answer: Emulation.Answer) -> String {
        switch answer {
        case .runs: "runs"
        case .obstacle(let reason): "obstacle: \(reason)"
        case .uncertain(let reason): "uncertain: \(reason)"
        }
    }

    @Test func `run where the processor runs them by itself, whatever is registered`() async throws {
        for (machine, architecture) in [("amd64", "amd64"), ("amd64", "386"), ("arm64", "arm64"), ("arm64", "arm")] {
            #expect(try await answer([:], machine: machine, architecture: architecture) == .runs)
        }
    }

    @Test func `run where a handler takes them, whatever its name`() async throws {
        let handlers = ["status": "enabled\n", "x": Self.arm64, "y": Self.s390x, "jar": Self.jar]
        #expect(try await answer(handlers, architecture: "arm64") == .runs)
        #expect(try await answer(handlers, architecture: "s390x") == .runs)
        let other = text(try await answer(handlers, architecture: "riscv64"))
        #expect(other.hasPrefix("obstacle: no emulator for it is registered in"))
        #expect(other.contains("qemu-user-static"))
    }

    @Test func `do not run where the handler or all of them are switched off`() async throws {
        let disabled = Self.arm64.replacing("enabled", with: "disabled")
        let one = try await answer(["status": "enabled\n", "qemu-aarch64": disabled], architecture: "arm64")
        #expect(text(one).hasPrefix("obstacle: no emulator"))
        let all = try await answer(["status": "disabled\n", "qemu-aarch64": Self.arm64], architecture: "arm64")
        #expect(text(all).hasPrefix("obstacle: binfmt_misc is switched off"))
    }

    @Test func `may run where the emulator is looked for in the step's root, or handlers cannot be seen`() async throws
    {
        let plain = Self.arm64.replacing("flags: POCF", with: "flags: ")
        let one = try await answer(["status": "enabled\n", "qemu-aarch64": plain], architecture: "arm64")
        #expect(text(one).hasPrefix("uncertain: its emulator qemu-aarch64 is registered without the flag F"))
        #expect(text(try await answer([:], architecture: "arm64")).hasPrefix("uncertain: /tmp/slipway-handlers-"))
    }

    @Test func `do not run for other systems and unknown processors`() async throws {
        let handlers = ["status": "enabled\n", "qemu-aarch64": Self.arm64]
        #expect(text(try await answer(handlers, os: "windows", architecture: "amd64")).hasPrefix("obstacle: "))
        #expect(text(try await answer(handlers, architecture: "wasm")).hasPrefix("obstacle: "))
    }
}
