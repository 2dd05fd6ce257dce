import Testing

@testable import Sandboxes

/// Runs a filter as the kernel would.
///
/// See linux/filter.h.
private func verdict(_ filter: SeccompFilter, architecture: UInt32, call: UInt32, _ arguments: UInt64...) -> UInt32? {
    var data = [UInt32](repeating: 0, count: 16)
    data[0] = call
    data[1] = architecture
    for (index, argument) in arguments.enumerated() {
        data[4 + 2 * index] = UInt32(truncatingIfNeeded: argument)
        data[5 + 2 * index] = UInt32(truncatingIfNeeded: argument >> 32)
    }
    var accumulator: UInt32 = 0
    var counter = 0
    while counter * 8 + 8 <= filter.bytes.count {
        let instruction = Array(filter.bytes[(counter * 8)..<(counter * 8 + 8)])
        let code = UInt16(instruction[0]) | UInt16(instruction[1]) << 8
        let value = (4..<8).reduce(UInt32(0)) { $0 | UInt32(instruction[$1]) << UInt32(8 * ($1 - 4)) }
        counter += 1
        switch code {
        case 0x20: accumulator = data[Int(value / 4)]
        case 0x54: accumulator &= value
        case 0x05: counter += Int(value)
        case 0x15: counter += Int(accumulator == value ? instruction[2] : instruction[3])
        case 0x35: counter += Int(accumulator >= value ? instruction[2] : instruction[3])
        case 0x06: return value
        default: return nil
        }
    }
    return nil
}

@Suite struct `The filter of system calls` {
    private let filter = SeccompFilter(.docker(capabilities: Capability.dockerDefaults), x86: true)
    private let arm = SeccompFilter(.docker(capabilities: Capability.dockerDefaults), x86: false)

    private static let x86_64: UInt32 = 0xc000_003e
    private static let i386: UInt32 = 0x4000_0003
    private static let allow: UInt32 = 0x7fff_0000
    private static let notPermitted: UInt32 = 0x0005_0001
    private static let noSuchCall: UInt32 = 0x0005_0026

    private func native(_ call: UInt32, _ first: UInt64 = 0) -> UInt32? {
        verdict(filter, architecture: Self.x86_64, call: call, first)
    }

    @Test func `ordinary calls are allowed`() {
        for call: UInt32 in [0, 1, 2, 55, 59, 60, 202, 257, 434] { #expect(native(call) == Self.allow, "\(call)") }
    }

    @Test func `calls that change the machine are not permitted`() {
        // mount, swapon, reboot, init_module, kexec_load, add_key, keyctl, unshare, bpf, userfaultfd, io_uring_setup
        for call: UInt32 in [165, 167, 169, 175, 246, 248, 250, 272, 321, 323, 425] {
            #expect(native(call) == Self.notPermitted, "\(call)")
        }
    }

    @Test func `calls of newer kernels are said not to exist`() {
        #expect(native(1000) == Self.noSuchCall)
        #expect(native(435) == Self.noSuchCall)
    }

    @Test func `sockets are allowed by family`() {
        for family: UInt64 in [1, 2, 10, 16, 17] { #expect(native(41, family) == Self.allow, "\(family)") }
        for family: UInt64 in [12, 19, 38, 40, 46, 1 << 32 | 1] {
            #expect(native(41, family) == Self.notPermitted, "\(family)")
        }
    }

    @Test func `clone may not make namespaces`() {
        #expect(native(56, 0x1200011) == Self.allow)
        for flag: UInt64 in [0x0002_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000, 0x0200_0000] {
            #expect(native(56, 0x11 | flag) == Self.notPermitted)
        }
    }

    @Test func `the personality is one of five`() {
        for persona: UInt64 in [0, 8, 0x20000, 0x20008, 0xffff_ffff] { #expect(native(135, persona) == Self.allow) }
        #expect(native(135, 0x40000) == Self.notPermitted)
    }

    @Test func `32-bit and x32 programs are held to the same rules`() {
        #expect(verdict(filter, architecture: Self.i386, call: 4) == Self.allow)
        #expect(verdict(filter, architecture: Self.i386, call: 288) == Self.notPermitted)
        #expect(verdict(filter, architecture: Self.i386, call: 359, 38) == Self.notPermitted)
        #expect(native(0x4000_0000 | 514) == Self.allow)
        #expect(native(0x4000_0000 | 250) == Self.notPermitted)
    }

    @Test func `a call as another architecture ends the process`() {
        #expect(verdict(filter, architecture: 0xc000_00b7, call: 0) == 0x8000_0000)
        #expect(verdict(arm, architecture: Self.x86_64, call: 0) == 0x8000_0000)
    }

    @Test func `ARM has its own numbers`() {
        #expect(verdict(arm, architecture: 0xc000_00b7, call: 64) == Self.allow)
        #expect(verdict(arm, architecture: 0xc000_00b7, call: 219) == Self.notPermitted)
        #expect(verdict(arm, architecture: 0x4000_0028, call: 983_045) == Self.allow)
    }

    @Test func `each call gets what the profile says`() {
        let profile = SeccompProfile.docker(capabilities: Capability.dockerDefaults)
        for (name, number) in SystemCallTable.numbers(for: .x86_64) {
            let expected: UInt32? =
                switch profile.action(for: name, on: .x86_64) {
                case .allow?: Self.allow
                case .fail(let failure)?: 0x0005_0000 | failure.rawValue
                case nil: Self.notPermitted
                case .allowIfAny?, .hand?: nil
                }
            if let expected { #expect(native(number) == expected, "\(name)") }
        }
    }

    @Test func `handed calls wait for an answer, and no call that was refused becomes one`() {
        var profile = SeccompProfile.docker(capabilities: [])
        profile.hand(["chown", "mount"], on: .x86_64)
        profile.hand(["openat"], when: [.masked(2, mask: 0x40, equals: 0x40)], on: .x86_64)
        let filter = SeccompFilter(profile, x86: true)
        func native(_ call: UInt32, _ flags: UInt64 = 0) -> UInt32? {
            verdict(filter, architecture: Self.x86_64, call: call, 0, 0, flags)
        }
        #expect(native(92) == 0x7fc0_0000)
        #expect(native(165) == Self.notPermitted)
        #expect(native(257, 0x41) == 0x7fc0_0000)
        #expect(native(257, 0x1) == Self.allow)
        // A 32-bit program's chown.
        #expect(verdict(filter, architecture: 0x4000_0003, call: 182) == Self.allow)
    }

    @Test func `capabilities open the calls they are for`() {
        let privileged = SeccompFilter(.docker(capabilities: [.sysAdmin]), x86: true)
        #expect(verdict(privileged, architecture: Self.x86_64, call: 165) == Self.allow)
        #expect(verdict(privileged, architecture: Self.x86_64, call: 56, 0x1000_0000) == Self.allow)
        #expect(verdict(privileged, architecture: Self.x86_64, call: 161) == Self.notPermitted)
    }

    @Test func `a process without a network has sockets of its machine alone`() {
        var profile = SeccompProfile.docker(capabilities: Capability.dockerDefaults)
        profile.refuseNetworks()
        let filter = SeccompFilter(profile, x86: true)
        func socket(_ family: UInt64) -> UInt32? {
            verdict(filter, architecture: Self.x86_64, call: 41, family)
        }
        #expect(socket(1) == Self.allow && socket(16) == Self.allow)
        for family: UInt64 in [2, 10, 17, 40, 1 << 32 | 1] { #expect(socket(family) == Self.notPermitted, "\(family)") }
        // socketcall, through which 32-bit programs make any.
        #expect(verdict(filter, architecture: Self.i386, call: 102, 1) == Self.notPermitted)
    }

    @Test func `a process that sees others may signal each, and not all at once`() {
        var profile = SeccompProfile.docker(capabilities: Capability.dockerDefaults)
        profile.refuseSignalsToAll()
        let filter = SeccompFilter(profile, x86: true)
        func kill(_ process: Int64) -> UInt32? {
            verdict(filter, architecture: Self.x86_64, call: 62, UInt64(bitPattern: process))
        }
        for process: Int64 in [0, 1, 4711, -2, -4711] { #expect(kill(process) == Self.allow, "\(process)") }
        // The kernel looks at 32 bits, whatever the others are.
        for process: Int64 in [-1, 0xffff_ffff] { #expect(kill(process) == Self.notPermitted, "\(process)") }
    }

    @Test func `a process that sees others sets no limits and no priorities but its own`() {
        var profile = SeccompProfile.docker(capabilities: Capability.dockerDefaults)
        profile.refuseLimitsOfOthers()
        let filter = SeccompFilter(profile, x86: true)
        func native(_ call: UInt32, _ first: UInt64, _ second: UInt64) -> UInt32? {
            verdict(filter, architecture: Self.x86_64, call: call, first, second)
        }
        // prlimit64, setpriority, ioprio_set
        for (call, first, second) in [(302, 0, 7), (141, 0, 0), (141, 1, 0), (251, 1, 0), (251, 2, 0)] {
            #expect(native(UInt32(call), UInt64(first), UInt64(second)) == Self.allow, "\(call) \(first) \(second)")
        }
        for (call, first, second) in [(302, 1, 0), (141, 0, 7), (141, 1, 7), (141, 2, 0), (251, 1, 7), (251, 3, 0)] {
            #expect(
                native(UInt32(call), UInt64(first), UInt64(second)) == Self.notPermitted,
                "\(call) \(first) \(second)"
            )
        }
    }

    @Test func `the kernel takes a program of this size`() {
        #expect(filter.instructionCount < 4096)
        #expect(arm.instructionCount < 4096)
    }
}
