import Proofs
import Terminal
import Testing

@testable import CommandLine

/// What becomes of each flag of docker's `run`.
private enum Fate: Hashable {
    case taken
    /// The words that say what is missing.
    case refused(String)
}

@Suite struct `Flags of run` {
    /// Every flag of docker 28's `run`, listed or hidden, with a value that asks for something.
    private static let flags: [(String, Fate)] = [
        ("--add-host=a:1.2.3.4", .taken), ("--annotation=a=b", .refused("annotations")), ("--attach=stdout", .taken),
        ("--blkio-weight=10", .refused("disks")), ("--blkio-weight-device=/dev/a:1", .refused("disks")),
        ("--cap-add=NET_ADMIN", .taken), ("--cap-drop=ALL", .taken), ("--cgroup-parent=/x", .refused("cgroup")),
        ("--cgroupns=host", .refused("cgroup namespace")), ("--cidfile=x", .taken),
        ("--cpu-count=1", .refused("Windows")), ("--cpu-percent=1", .refused("Windows")),
        ("--cpu-period=1000", .refused("--cpus")), ("--cpu-quota=1000", .refused("--cpus")),
        ("--cpu-rt-period=1", .refused("real-time")), ("--cpu-rt-runtime=1", .refused("real-time")),
        ("--cpu-shares=2", .refused("--cpus")), ("--cpus=1", .taken), ("--cpuset-cpus=0", .refused("--cpus")),
        ("--cpuset-mems=0", .refused("memory nodes")), ("--detach", .taken), ("--detach-keys=ctrl-a", .taken),
        ("--device=/dev/null", .refused("devices")), ("--device-cgroup-rule=c 1:3 r", .refused("devices")),
        ("--device-read-bps=/dev/a:1", .refused("disks")), ("--device-read-iops=/dev/a:1", .refused("disks")),
        ("--device-write-bps=/dev/a:1", .refused("disks")), ("--device-write-iops=/dev/a:1", .refused("disks")),
        ("--disable-content-trust", .taken), ("--dns=1.2.3.4", .taken), ("--dns-opt=a", .taken),
        ("--dns-option=a", .taken), ("--dns-search=a", .taken), ("--domainname=a", .refused("domain name")),
        ("--entrypoint=a", .taken), ("--env=A=b", .taken), ("--env-file=x", .taken), ("--expose=80", .taken),
        ("--gpus=all", .refused("GPUs")), ("--group-add=a", .taken), ("--health-cmd=true", .taken),
        ("--health-interval=1s", .taken), ("--health-retries=2", .taken), ("--health-start-interval=1s", .taken),
        ("--health-start-period=1s", .taken), ("--health-timeout=1s", .taken), ("--hostname=a", .taken),
        ("--init", .taken), ("--interactive", .taken), ("--io-maxbandwidth=1", .refused("Windows")),
        ("--io-maxiops=1", .refused("Windows")), ("--ip=1.2.3.4", .refused("address")),
        ("--ip6=::1", .refused("IPv6")), ("--ipc=host", .refused("IPC namespace")),
        ("--isolation=hyperv", .refused("isolation")), ("--kernel-memory=4m", .refused("--memory")),
        ("--label=a=b", .taken), ("--label-file=x", .taken), ("--link=a", .refused("linked")),
        ("--link-local-ip=169.254.1.1", .refused("address")), ("--log-driver=syslog", .refused("drivers")),
        ("--log-opt=max-size=1m", .refused("log drivers")), ("--mac-address=92:d0:c6:0a:29:33", .refused("address")),
        ("--memory=64m", .taken), ("--memory-reservation=6m", .refused("--memory")),
        ("--memory-swap=64m", .refused("--memory")), ("--memory-swappiness=10", .refused("swap")),
        ("--mount=type=tmpfs,target=/x", .taken), ("--name=a", .taken), ("--net=none", .taken),
        ("--net-alias=a", .refused("container names")), ("--network=none", .taken),
        ("--network-alias=a", .refused("container names")),
        ("--no-healthcheck", .taken), ("--oom-kill-disable", .refused("out-of-memory")),
        ("--oom-score-adj=1", .refused("out-of-memory")), ("--pid=host", .refused("process namespace")),
        ("--pids-limit=3", .taken), ("--platform=linux/amd64", .taken), ("--privileged", .taken),
        ("--publish=80:80", .taken), ("--publish-all", .taken), ("--pull=always", .taken), ("--quiet", .taken),
        ("--read-only", .taken), ("--restart=always", .refused("restart")),
        ("--restart=on-failure:3", .refused("restart")), ("--rm", .taken), ("--runtime=runsc", .refused("crun")),
        ("--security-opt=no-new-privileges", .taken), ("--shm-size=1m", .taken), ("--sig-proxy=false", .taken),
        ("--stop-signal=INT", .taken), ("--stop-timeout=3", .taken), ("--storage-opt=size=1g", .refused("size")),
        ("--sysctl=net.ipv4.ip_forward=1", .refused("kernel")), ("--tmpfs=/x", .taken), ("--tty", .taken),
        ("--ulimit=nofile=10", .taken), ("--use-api-socket", .refused("API socket")), ("--user=1", .taken),
        ("--userns=private", .refused("user namespaces")), ("--uts=host", .refused("host name")),
        ("--volume=/x", .taken),
        ("--volume-driver=nfs", .refused("drivers")), ("--volumes-from=a", .taken), ("--workdir=/x", .taken),
    ]

    /// Flags that only a command which also starts the container has.
    private static let flagsOfRunAlone: Set<String> = ["--detach", "--detach-keys", "--sig-proxy"]

    private func refusal(_ command: String, _ flag: String) throws -> String? {
        var global = GlobalOptions()
        do throws(LocatedUsageError) {
            let words = [command, flag, "image"].map { Array($0.utf8) }
            _ = try SlipwayProgram.understand(words, CommandTree(SlipwayCommands.all), &global)
            return nil
        } catch {
            #expect(error.error.exitStatus == .notRun)
            return error.error.message
        }
    }

    @Test(.proves("B17: run --restart no; every flag"), arguments: ["run", "create"])
    func `each one that docker has is taken or refused with what is missing`(
        command: String
    ) throws {
        for (flag, fate) in Self.flags {
            let name = String(flag.prefix { $0 != "=" })
            if command == "create", Self.flagsOfRunAlone.contains(name) { continue }
            let refusal = try refusal(command, flag)
            switch fate {
            case .taken: #expect(refusal == nil, "\(flag)")
            case .refused(let words):
                #expect(refusal?.contains("it is not supported by Slipway: ") ?? false, "\(flag)")
                #expect(refusal?.contains(words) ?? false, "\(flag): \(refusal ?? "taken")")
            }
        }
    }

    @Test(.proves("B17: run --restart no; every flag")) func `every flag that is lacking is one of docker's`() {
        let tried = Set(Self.flags.map { $0.0.dropFirst(2).prefix { $0 != "=" } }.map(String.init))
        #expect(Set(ContainerFlags.missing.map(\.name)).isSubset(of: tried))
    }

    @Test(
        .proves("B17: run --restart no; every flag"),
        arguments: [
            "--restart=no", "--restart=", "--cgroupns=private", "--ipc=private", "--pid=", "--userns=host", "--uts=",
            "--oom-kill-disable=false", "--memory-swappiness=-1", "--isolation=default", "--runtime=crun",
            "--log-driver=json-file", "--volume-driver=local", "--cpu-shares=0", "--sig-proxy", "--sig-proxy=true",
            "--disable-content-trust=false", "--use-api-socket=false", "--oom-score-adj=0", "--memory-swap=0",
        ]
    )
    func `values that ask for the default are accepted`(flag: String) throws {
        #expect(try refusal("run", flag) == nil)
    }

    @Test(
        .proves("B17: run --restart no; every flag"),
        arguments: [
            ("--attach=x", "valid streams are STDIN, STDOUT and STDERR"), ("--expose=1:2", "invalid port format"),
            ("--expose=x", "invalid range format"), ("--volumes-from=a:b:c", "invalid volumes-from"),
            ("--volumes-from=a:what", "invalid mode: what"), ("--label==x", "invalid label '=x': empty name"),
            ("--userns=keep-ids", "user namespaces of their own"), ("--userns=host:x", "user namespaces of their own"),
            ("--health-retries=-1", "cannot be negative"), ("--health-interval=-1s", "cannot be negative"),
            ("--health-timeout=1us", "cannot be less than 1ms"), ("--health-interval=soon", "not a duration"),
        ]
    )
    func `values that make no sense are refused with the reason`(flag: String, reason: String) throws {
        #expect(try refusal("run", flag)?.contains(reason) ?? false)
    }
}
