internal import Text

extension HostDocument {
    /// The fields of `HostConfig` that are done, in small letters.
    static let known: Set<String> = [
        "binds", "networkmode", "portbindings", "restartpolicy", "autoremove", "volumesfrom", "mounts", "tmpfs",
        "capadd",
        "capdrop", "dns", "dnsoptions", "dnssearch", "extrahosts", "groupadd", "privileged", "publishallports",
        "readonlyrootfs", "securityopt", "usernsmode", "shmsize", "init", "memory", "nanocpus", "pidslimit", "ulimits",
        "logconfig",
        // Clients keep the file themselves, and tell the size of their terminal again when they are attached.
        "containeridfile", "consolesize",
    ]

    /// Those that are refused where they ask for what is not done.
    static let refused: [String: FieldRefusal] = [
        "annotations": .init("the runtime's annotations cannot be set; use labels"),
        "blkiodevicereadbps": .init("the use of disks cannot be limited"),
        "blkiodevicereadiops": .init("the use of disks cannot be limited"),
        "blkiodevicewritebps": .init("the use of disks cannot be limited"),
        "blkiodevicewriteiops": .init("the use of disks cannot be limited"),
        "blkioweight": .init("the use of disks cannot be weighted"),
        "blkioweightdevice": .init("the use of disks cannot be weighted"),
        "capabilities": .init("use CapAdd and CapDrop"),
        "cgroup": .init("the cgroup of a container cannot be chosen"),
        "cgroupnsmode": .init("each container has a cgroup namespace of its own", accepting: [.string("private")]),
        "cgroupparent": .init("the cgroup of a container cannot be chosen"),
        "cpucount": .init("it is for Windows containers"),
        "cpupercent": .init("it is for Windows containers"),
        "cpuperiod": .init("periods of the scheduler cannot be set; use NanoCpus"),
        "cpuquota": .init("quotas of the scheduler cannot be set; use NanoCpus"),
        "cpurealtimeperiod": .init("real-time scheduling cannot be limited"),
        "cpurealtimeruntime": .init("real-time scheduling cannot be limited"),
        "cpusetcpus": .init("containers cannot be bound to CPUs; use NanoCpus"),
        "cpusetmems": .init("containers cannot be bound to memory nodes"),
        "cpushares": .init("shares of CPU time cannot be set; use NanoCpus"),
        "devicecgrouprules": .init("the devices that a container may make cannot be chosen"),
        "devicerequests": .init("GPUs cannot be given to containers yet"),
        "devices": .init("devices of the host cannot be given to containers; use Privileged"),
        "iomaximumbandwidth": .init("it is for Windows containers"),
        "iomaximumiops": .init("it is for Windows containers"),
        "ipcmode": .init("each container has an IPC namespace of its own", accepting: [.string("private")]),
        "isolation": .init("there is no isolation but the default one", accepting: [.string("default")]),
        "kernelmemory": .init("kernels no longer limit their own memory; use Memory"),
        "kernelmemorytcp": .init("kernels no longer limit their own memory; use Memory"),
        "links": .init("containers cannot be linked; the address of one is in its document"),
        "maskedpaths": .init("the files of the kernel that are hidden cannot be chosen"),
        "memoryreservation": .init("soft limits of memory cannot be set; use Memory"),
        "memoryswap": .init("swap cannot be limited; use Memory"),
        "memoryswappiness": .init("the kernel's use of swap cannot be tuned", accepting: [.number(-1)]),
        "oomkilldisable": .init("the kernel's out-of-memory killer stays on"),
        "oomscoreadj": .init("the out-of-memory killer's preferences cannot be tuned"),
        "pidmode": .init("each container has a process namespace of its own"),
        "readonlypaths": .init("the files of the kernel that are read-only cannot be chosen"),
        "runtime": .init("crun is the only runtime", accepting: [.string("crun")]),
        "storageopt": .init("the size of a container's files cannot be limited"),
        "sysctls": .init("parameters of the kernel cannot be set"),
        "utsmode": .init("each container has a host name of its own"),
        "volumedriver": .init("there are no volume drivers but local", accepting: [.string("local")]),
    ]
}
