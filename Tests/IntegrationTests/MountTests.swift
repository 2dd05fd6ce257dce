import Glibc
import LinuxSystem
import SystemPackage
import Testing

@Suite(.requires(.root)) struct `Mounts` {
    private func makeDirectories(_ names: [String], in root: FilePath) async throws {
        try await onBlockingPool {
            let directory = try RootedDirectory(root)
            for name in names { try directory.createDirectory(FilePath(name)) }
        }
    }

    private func write(_ text: String, to path: FilePath) async throws {
        try await onBlockingPool { try OpenFile.open(path, [.writeOnly, .create, .truncate]).write(Array(text.utf8)) }
    }

    private func read(_ path: FilePath) async throws -> String {
        let bytes = try await onBlockingPool { try OpenFile.open(path, .readOnly).readToEnd() }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func `the topmost layer wins and changes go to the upper directory`() async throws {
        try await withScratchDirectory { root in
            try await makeDirectories(["a", "b:with,odd\\name", "upper", "work", "merged"], in: root)
            try await write("a", to: root.appending("a/file"))
            try await write("b", to: root.appending("b:with,odd\\name/file"))
            var overlay = OverlayMount(lower: [root.appending("b:with,odd\\name"), root.appending("a")])
            overlay.writable = (root.appending("upper"), root.appending("work"))
            overlay.isVolatile = true
            let mount = overlay
            try await onBlockingPool { try mount.attach(at: root.appending("merged")) }
            #expect(try await read(root.appending("merged/file")) == "b")
            try await write("c", to: root.appending("merged/file"))
            try await onBlockingPool { try unmount(root.appending("merged")) }
            #expect(try await read(root.appending("upper/file")) == "c")
            #expect(try await read(root.appending("b:with,odd\\name/file")) == "b")
        }
    }

    @Test(arguments: [2, 60, 128, 500]) func `many layers at a long and odd path are one mount`(count: Int) async throws
    {
        try await withScratchDirectory { scratch in
            // Longer than the 255 bytes that fsconfig(2) takes, and with the characters that end an option.
            let name = "a:b,c=\\" + String(repeating: "x", count: 200)
            try await makeDirectories([name, name + "/" + name], in: scratch)
            let root = scratch.appending(name + "/" + name)
            let names = (0..<count).map { "layer\($0)" }
            try await makeDirectories(names + ["merged"], in: root)
            try await write("deep", to: root.appending("layer\(count - 1)/file"))
            let mount = OverlayMount(lower: names.map { root.appending($0) })
            try await onBlockingPool { try mount.attach(at: root.appending("merged")) }
            #expect(try await read(root.appending("merged/file")) == "deep")
            try await onBlockingPool { try unmount(root.appending("merged")) }
        }
    }

    @Test(arguments: [false, true]) func `an upper directory that is still in use cannot be claimed`(
        isVolatile: Bool
    ) async throws {
        try await withScratchDirectory { root in
            try await makeDirectories(["lower", "upper", "work", "work2", "merged"], in: root)
            var first = OverlayMount(
                lower: [root.appending("lower")],
                writable: (root.appending("upper"), root.appending("work"))
            )
            first.isVolatile = isVolatile
            var second = first
            second.writable = (root.appending("upper"), root.appending("work2"))
            second.claimsUpperExclusively = true
            let (use, claim) = (first, second)
            let leaked = try await onBlockingPool {
                try use.attach(at: root.appending("merged"))
                let leaked = try OpenFile.open(root.appending("merged/leaked"), [.writeOnly, .create])
                try unmount(root.appending("merged"), lazy: true)
                return leaked
            }
            let error = await #expect(throws: SystemCallError.self) {
                try await onBlockingPool { try claim.attach(at: root.appending("merged")) }
            }
            #expect(error?.errno == .resourceBusy)
            withExtendedLifetime(leaked) {}
        }
    }

    @Test func `a read-only bind refuses writes and a tmpfs takes them`() async throws {
        try await withScratchDirectory { root in
            try await makeDirectories(["source", "bound", "memory"], in: root)
            try await onBlockingPool {
                try DetachedMount.bind(root.appending("source"), readOnly: true).attach(at: root.appending("bound"))
                try DetachedMount.tmpfs(size: 1 << 20).attach(at: root.appending("memory"))
            }
            await #expect(throws: SystemCallError.self) { try await write("x", to: root.appending("bound/file")) }
            try await write("x", to: root.appending("memory/file"))
            try await onBlockingPool {
                try unmount(root.appending("bound"))
                try unmount(root.appending("memory"))
            }
            try await write("x", to: root.appending("source/file"))
        }
    }

    @Test func `unmounting what is not mounted is no error`() async throws {
        try await onBlockingPool { try unmount("/nonexistent-mount-point") }
    }
}
