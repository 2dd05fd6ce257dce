import Containers
import DockerAPI
import OCI
import Testing

/// What `POST /containers/create` asks for.
@Suite struct `The document of a container` {
    private static let image = ImageToRun(
        id: Digest.sha256(of: []),
        defaults: { () -> ContainerDefaults in
            var defaults = ContainerDefaults()
            defaults.command = ["of", "image"]
            return defaults
        }(),
        layers: []
    )

    private func request(_ text: String) throws -> ContainerRequest {
        try ContainerDocument(parsing: Array(text.utf8)).request(for: Self.image)
    }

    private func refusal(_ text: String) -> String {
        do {
            _ = try request(text)
            return "nothing"
        } catch {
            return "\(error)"
        }
    }

    @Test func `of docker 20's run without options asks for nothing`() throws {
        let request = try request(
            """
            {"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"Tty":false,
            "OpenStdin":false,"StdinOnce":false,"Env":[],"Cmd":["true"],"Image":"busybox","Volumes":{},"WorkingDir":"",
            "Entrypoint":null,"OnBuild":null,"Labels":{},"HostConfig":{"Binds":null,"ContainerIDFile":"","LogConfig":{"Type":"",
            "Config":{}},"NetworkMode":"default","PortBindings":{},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},
            "AutoRemove":true,"VolumeDriver":"","VolumesFrom":null,"CapAdd":null,"CapDrop":null,"CgroupnsMode":"","Dns":[],
            "DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"","Cgroup":"","Links":null,
            "OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,"SecurityOpt":null,
            "UTSMode":"","UsernsMode":"","ShmSize":0,"ConsoleSize":[0,0],"Isolation":"","CpuShares":0,"Memory":0,"NanoCpus":0,
            "CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":null,"CpuPeriod":0,"CpuQuota":0,
            "CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,
            "DeviceRequests":null,"KernelMemory":0,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":-1,
            "OomKillDisable":false,"PidsLimit":0,"Ulimits":null,"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,
            "IOMaximumBandwidth":0,"MaskedPaths":null,"ReadonlyPaths":null},"NetworkingConfig":{"EndpointsConfig":{}}}
            """
        )
        #expect(request.command == ["true"])
        #expect(request.entrypoint == nil)
        #expect(request.isRemovedAtEnd)
        #expect(request.network == .bridge)
        #expect(request.mounts.isEmpty)
        #expect(request.options.attachedStreams == ["stdout", "stderr"])
        var options = ContainerOptions()
        options.attachedStreams = ["stdout", "stderr"]
        #expect(request.options == options)
    }

    @Test func `takes what docker's engine takes`() throws {
        let request = try request(
            """
            {"Image":"busybox","Cmd":"one","Entrypoint":["sh","-c"],"Env":["A=b"],"Tty":true,"OpenStdin":true,"StdinOnce":true,
            "StopSignal":"SIGINT","StopTimeout":3,"ExposedPorts":{"80/tcp":{}},"Volumes":{"/anonymous":{}},
            "Healthcheck":{"Test":["CMD","true"],"Interval":1000000000,"Retries":2},
            "HostConfig":{"Binds":["/a:/b:ro","named:/c"],"NetworkMode":"none","PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1",
            "HostPort":"8080"}],"81/udp":[{"HostPort":""}]},"Tmpfs":{"/run":"size=1m"},"Mounts":[{"Type":"volume","Source":"volume",
            "Target":"/v","ReadOnly":true,"VolumeOptions":{"NoCopy":true}},{"Type":"tmpfs","Target":"/t","TmpfsOptions":
            {"SizeBytes":4096,"Mode":448}}],"CapAdd":["NET_ADMIN"],"SecurityOpt":["no-new-privileges"],"Memory":67108864,
            "NanoCpus":500000000,"PidsLimit":10,"ShmSize":1024,"Init":true,"Ulimits":[{"Name":"nofile","Soft":1,"Hard":2}],
            "ExtraHosts":["a:10.0.0.1"],"Dns":["10.0.0.2"]}}
            """
        )
        #expect(request.command == ["one"])
        #expect(request.entrypoint == ["sh", "-c"])
        #expect(request.environment == ["A=b"])
        #expect(request.hasTerminal && request.keepsInput)
        #expect(request.options.attachedStreams == ["stdin"])
        #expect(request.stopSignal == "SIGINT")
        #expect(request.stopTimeout == 3)
        #expect(request.network == .none)
        #expect(request.options.exposedPorts == ["80/tcp"])
        #expect(request.ports.map(\.description) == ["127.0.0.1:8080->80/tcp", "0.0.0.0:0->81/udp"])
        #expect(request.mounts.map(\.target) == ["/b", "/c", "/run", "/v", "/t", "/anonymous"])
        #expect(request.mounts[0].isReadOnly)
        #expect(request.mounts[3].copiesNothing)
        #expect(request.mounts[4].options == ["mode=700"])
        #expect(request.healthcheck?.test == ["CMD", "true"])
        #expect(request.healthcheck?.retries == 2)
        #expect(request.options.addedCapabilities == ["NET_ADMIN"])
        #expect(request.options.gainsNoPrivileges && request.options.usesInit)
        #expect(request.options.resources.memory == 64 << 20)
        #expect(request.options.resources.processors == 0.5)
        #expect(request.options.resources.processes == 10)
        #expect(request.options.limits == [.init(name: "nofile", soft: 1, hard: 2)])
        #expect(request.options.hosts == [.init(name: "a", address: "10.0.0.1")])
    }

    /// Each asks for something that is not done.
    @Test(arguments: [
        "Annotations": #"{"a":"b"}"#, "BlkioDeviceReadBps": #"[{"Path":"/dev/sda","Rate":1}]"#, "BlkioWeight": "10",
        "CgroupParent": #""/x""#, "CgroupnsMode": #""host""#, "CpuPeriod": "1000", "CpuQuota": "1000", "CpuShares": "2",
        "CpusetCpus": #""0""#, "CpusetMems": #""0""#, "DeviceCgroupRules": #"["c 1:1 rwm"]"#,
        "DeviceRequests": #"[{"Count":-1}]"#, "Devices": #"[{"PathOnHost":"/dev/null"}]"#, "IpcMode": #""host""#,
        "KernelMemory": "1", "Links": #"["a:b"]"#, "MaskedPaths": #"["/x"]"#, "MemoryReservation": "1",
        "MemorySwap": "1",
        "MemorySwappiness": "1", "OomKillDisable": "true", "OomScoreAdj": "1", "PidMode": #""host""#,
        "Runtime": #""runsc""#,
        "StorageOpt": #"{"size":"1G"}"#, "Sysctls": #"{"a":"b"}"#, "UTSMode": #""host""#, "VolumeDriver": #""x""#,
        "NeverHeardOf": "1",
    ])
    func `refuses by its name`(field: String, value: String) {
        let refusal = refusal(#"{"Image":"busybox","HostConfig":{"\#(field)":\#(value)}}"#)
        #expect(refusal.hasPrefix("HostConfig.\(field) is not supported by this version of Slipway: "))
    }

    @Test(arguments: [
        #"{"HostConfig":{"RestartPolicy":{"Name":"always"}}}"#: "HostConfig.RestartPolicy.Name",
        #"{"HostConfig":{"LogConfig":{"Type":"journald"}}}"#: "HostConfig.LogConfig.Type",
        #"{"HostConfig":{"LogConfig":{"Config":{"max-size":"1m"}}}}"#: "HostConfig.LogConfig.Config.max-size",
        #"{"HostConfig":{"NetworkMode":"container:a"}}"#: "HostConfig.NetworkMode",
        #"{"HostConfig":{"Mounts":[{"Type":"image","Target":"/a"}]}}"#: "HostConfig.Mounts.Type",
        #"{"HostConfig":{"Mounts":[{"Type":"volume","Target":"/a","VolumeOptions":{"Subpath":"b"}}]}}"#:
            "HostConfig.Mounts.VolumeOptions.Subpath",
        #"{"NetworkingConfig":{"EndpointsConfig":{"bridge":{"Aliases":["a"]}}}}"#:
            "NetworkingConfig.EndpointsConfig.bridge.Aliases",
        #"{"Domainname":"example"}"#: "Domainname", #"{"MacAddress":"02:42:ac:11:00:02"}"#: "MacAddress",
    ])
    func `refuses what lies deeper by its name`(document: String, name: String) {
        #expect(refusal(#"{"Image":"busybox","# + document.dropFirst()).hasPrefix(name + " "))
    }

    @Test(arguments: [
        "", "[]", "null", "1", "{", #"{"Image":1}"#, #"{"Image":""}"#, "{}", #"{"Image":"a","Cmd":[1]}"#,
        #"{"Image":"a","Env":{}}"#, #"{"Image":"a","Labels":{"a":1}}"#, #"{"Image":"a","HostConfig":[]}"#,
        #"{"Image":"a","HostConfig":{"Memory":"1"}}"#, #"{"Image":"a","HostConfig":{"Memory":1.5}}"#,
        #"{"Image":"a","HostConfig":{"Memory":1}}"#, #"{"Image":"a","HostConfig":{"PortBindings":{"x":[]}}}"#,
        #"{"Image":"a","HostConfig":{"Binds":["/:/:/:/"]}}"#, #"{"Image":"a","StopSignal":"SIGNOTHING"}"#,
        #"{"Image":"a","Healthcheck":{"Test":["CMD","a"],"Interval":1}}"#,
    ])
    func `is refused where it means nothing`(document: String) {
        #expect(refusal(document) != "nothing")
    }

    @Test func `with an empty entrypoint keeps the image's command, as the engine does`() throws {
        #expect(try request(#"{"Image":"a","Entrypoint":[]}"#).command == ["of", "image"])
        #expect(try request(#"{"Image":"a","Entrypoint":[""]}"#).command == [])
    }
}
