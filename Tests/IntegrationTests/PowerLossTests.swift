import Foundation
import LinuxSystem
import SystemPackage
import Tasks
import Testing

/// A file system of its own for a store, and the machine that has it: it loses its power, and comes back with what was on the disk.
///
/// The disk is mounted in a namespace of its own: another one, made meanwhile by another test, would keep it mounted.
private struct Machine {
    /// What the file system does not do any more: everything, its journal included (`EXT4_IOC_SHUTDOWN`, `NOLOGFLUSH`).
    private static let shutdown =
        "import fcntl, os, struct, sys; fcntl.ioctl(os.open(sys.argv[1], 0), 0x8004587d, struct.pack('I', 2))"

    /// Holds the namespace, and nothing else open: what starts it waits for that.
    private static let holder =
        "import os, time; os.closerange(3, 4096); print(os.getpid(), file=open('namespace', 'w')); time.sleep(3600)"

    let scratch: TemporaryDirectory
    var disk: String { scratch.path + "/disk" }
    var slipway: Slipway { Slipway(root: disk + "/store", launcher: scratch.path + "/slipway") }

    init() async throws {
        scratch = try TemporaryDirectory()
        // What the machine runs ends with it: the program, its steps and its mounts.
        let launcher = """
            #!/bin/sh
            exec \(inside) unshare --mount --pid --fork --kill-child --mount-proc sh -ec 'mount --bind \(scratch.path)/boot \
            /proc/sys/kernel/random/boot_id; exec \(try Slipway.binary) "$@"' slipway "$@"
            """
        try scratch.write(launcher + "\n", to: "slipway")
        let made = """
            chmod +x slipway; mkdir disk; truncate -s 400M image; mkfs.ext4 -q -F image
            unshare --mount --propagation private python3 -c "\(Self.holder)" > /dev/null 2>&1 < /dev/null &
            until [ -s namespace ]; do sleep 0.01; done
            \(inside) mount -o loop image disk
            """
        try await sh(made)
        try begin()
    }

    /// What enters the namespace before a command.
    private var inside: String {
        "nsenter --mount=/proc/$(cat \(scratch.path)/namespace)/ns/mnt --wdns=\(scratch.path)"
    }

    /// Another boot has another name.
    private func begin() throws { try scratch.write(UUID().uuidString.lowercased() + "\n", to: "boot") }

    @discardableResult
    func sh(_ script: String) async throws -> String {
        let result = try await runProgram("sh", ["-ec", script], in: scratch.url)
        try #require(result.status == 0, "\(script): \(result.errorText)")
        return result.text
    }

    /// Begins a command, and takes the power away after a while.
    /// - Parameters:
    ///   - pause: how long the command has.
    ///   - syncs: whether half way everything is written to the disk, as the kernel does now and then.
    ///   - arguments: the command.
    /// - Returns: how it ended; what it printed is what it had reported.
    /// - Throws: an error if the power cannot be taken away.
    func losePower(after pause: Duration, syncs: Bool, _ arguments: [String]) async throws -> ProgramResult {
        async let running = slipway.run(arguments)
        try await Task.sleep(for: pause / 2)
        if syncs { try await sh("\(inside) sync -f disk") }
        try await Task.sleep(for: pause / 2)
        try await sh("\(inside) python3 -c \"\(Self.shutdown)\" disk")
        _ = try await runProgram("pkill", ["-KILL", "-f", "mount --bind \(scratch.path)/boot"])
        return try await running
    }

    func powerOn() async throws {
        // The last of its processes may take a moment to end, and each has the disk mounted.
        let unmounted =
            "\(inside) umount disk 2>/dev/null || true; [ -n \"$(losetup -j image)\" ] || exit 0; sleep 0.1"
        try await sh("for n in $(seq 300); do \(unmounted); done; exit 1")
        try await sh("\(inside) mount -o loop image disk")
        try begin()
    }

    func end() async { _ = try? await sh("kill $(cat namespace)") }
}

/// Everything that was reported before the power was lost is there afterwards, and the store is sound.
@Suite(
    .serialized,
    .requires(.root, .program("mkfs.ext4"), .program("crun"), .program("docker-registry"), .program("python3"))
)
struct `A machine that loses its power` {
    private let machine: Machine
    private let registry: RegistryServer
    private let seed: UInt64

    init() async throws {
        machine = try await Machine()
        registry = try await RegistryServer.start(in: FilePath(machine.scratch.path))
        seed = UInt64(ProcessInfo.processInfo.environment["SLIPWAY_TEST_SEED"] ?? "") ?? 1
        try await machine.sh(
            """
            mkdir -p tree/bin tree/etc tree/tmp context; cp /bin/busybox tree/bin
            for name in sh cat touch mkdir seq; do ln -s busybox tree/bin/$name; done
            echo 'root:x:0:0:root:/root:/bin/sh' > tree/etc/passwd; tar -C tree -cf base.tar .
            """
        )
        try machine.scratch.write(
            """
            FROM base AS first
            ARG NUMBER
            RUN mkdir /made && for n in $(seq 60); do echo "$NUMBER $n" > /made/$n; done
            FROM base
            COPY file /file
            COPY --from=first /made /made
            RUN cat /file /file > /twice
            """,
            to: "context/Dockerfile"
        )
        try await machine.slipway.succeed("import", machine.scratch.path + "/base.tar", "base")
        try await machine.slipway.succeed("tag", "base", "\(registry.host)/base:1")
        try await machine.slipway.succeed("push", "-q", "\(registry.host)/base:1")
    }

    /// What a command had told when the power was lost.
    private struct Reported {
        var images: [String: String] = ["base": ""]
        var containers: Set<String> = []
    }

    @Test(.timeLimit(.minutes(30))) func `keeps what was reported`() async throws {
        try await withCleanUp {
            var reported = Reported()
            var numbers = SeededNumbers(seed: seed)
            let count = Int(ProcessInfo.processInfo.environment["SLIPWAY_TEST_POWER_LOSSES"] ?? "") ?? 40
            for round in 0..<count {
                try await losePower(round, &reported, &numbers)
                try await expectAll(of: reported, "round \(round) of seed \(seed)")
                if reported.images.count > 6 { try await forget(&reported) }
            }
        } finally: {
            await machine.end()
        }
    }

    private func losePower(_ round: Int, _ reported: inout Reported, _ numbers: inout SeededNumbers) async throws {
        let name = "made:\(round)"
        let content = "\(round) " + String(repeating: "content ", count: 20_000)
        try machine.scratch.write(content, to: "context/file")
        let arguments =
            switch round % 5 {
            case 0, 1:
                ["build", "-q", "--build-arg", "NUMBER=\(round)", "-t", name, machine.scratch.path + "/context"]
            case 2: ["pull", "-q", "\(registry.host)/base:1"]
            case 3: ["system", "prune", "-f"]
            default: ["create", "--name", "box\(round)", "--network", "none", "base", "cat", "/etc/passwd"]
            }
        // It removes containers that do not run.
        if round % 5 == 3 { reported.containers = [] }
        if round % 5 == 2 { _ = try await machine.slipway("rmi", "\(registry.host)/base:1") }
        let pause = Duration.milliseconds(Int.random(in: 0..<(round % 5 < 2 ? 700 : 250), using: &numbers))
        let result = try await machine.losePower(after: pause, syncs: Bool.random(using: &numbers), arguments)
        try await machine.powerOn()
        if result.text.isEmpty { return }
        switch round % 5 {
        case 0, 1: reported.images[name] = content
        case 4: reported.containers.insert("box\(round)")
        default: break
        }
    }

    private func expectAll(of reported: Reported, _ when: String) async throws {
        let slipway = machine.slipway
        let check = try await slipway("system", "check", "--deep")
        #expect(check.status == 0, "\(when): \(check.text)\(check.errorText)")
        let images = try await slipway.succeed("images", "--format", "{{.Repository}}:{{.Tag}}")
        for (image, content) in reported.images {
            let name = image.contains(":") ? image : image + ":latest"
            #expect(images.split(separator: "\n").contains(Substring(name)), "\(when): \(name) is not in \(images)")
            if content.isEmpty { continue }
            let file = try await slipway("run", "--rm", "--network", "none", image, "cat", "/twice")
            #expect(file.text == content + content, "\(when): \(image): \(file.errorText)")
        }
        let containers = try await slipway.succeed("ps", "-a", "--format", "{{.Names}}")
        for name in reported.containers {
            #expect(containers.split(separator: "\n").contains(Substring(name)), "\(when): \(name)")
            let started = try await slipway("start", "-a", name)
            #expect(started.text.hasPrefix("root:"), "\(when): \(name): \(started.errorText)")
        }
        let built = try await slipway("build", "-q", "--build-arg", "NUMBER=0", machine.scratch.path + "/context")
        #expect(built.status == 0, "\(when): \(built.errorText)")
    }

    /// Makes room.
    private func forget(_ reported: inout Reported) async throws {
        for name in reported.containers { try await machine.slipway.succeed("rm", name) }
        for image in reported.images.keys where image != "base" { try await machine.slipway.succeed("rmi", image) }
        try await machine.slipway.succeed("system", "prune", "-f")
        reported = Reported()
    }
}
