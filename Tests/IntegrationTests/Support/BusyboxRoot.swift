import Foundation
import LinuxSystem
import SystemPackage
import Text

/// A root file system of one static program, busybox, with links for what it does.
func makeBusyboxRoot(in parent: FilePath, name: String = "root") async throws -> FilePath {
    let root = parent.appending(name)
    let busybox = findProgram("busybox") ?? "/bin/busybox"
    try await onBlockingPool {
        try FileManager.default.createDirectory(atPath: root.appending("bin").string, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: busybox, toPath: root.appending("bin/busybox").string)
        let directory = try RootedDirectory(root)
        for program in [
            "sh", "true", "false", "cat", "ls", "sleep", "ps", "id", "mount", "env", "setsid", "nohup", "httpd", "wget",
            "stat",
            "touch", "mkdir", "rm", "grep", "head", "tr", "seq", "dd", "pwd", "hostname", "kill", "ip", "nc", "printf",
            "readlink",
            "stty", "tty", "date", "chmod", "ln", "umount", "unshare", "chown", "test", "yes", "wc",
        ] {
            try directory.createSymbolicLink(FilePath("bin/\(program)"), target: "busybox")
        }
        try directory.createDirectory("etc")
        let passwd = try directory.open("etc/passwd", [.writeOnly, .create], mode: 0o644)
        try passwd.write("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n")
        let group = try directory.open("etc/group", [.writeOnly, .create], mode: 0o644)
        try group.write("root:x:0:\napp:x:1001:\naudio:x:29:app\n")
    }
    return root
}
