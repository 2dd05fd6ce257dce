internal import CLinux
internal import SystemPackage

/// Devices that processes may use, and how.
package struct DeviceRule: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case character, block
    }

    package struct Access: OptionSet, Sendable, Hashable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        // The kernel's numbers: BPF_DEVCG_ACC_….
        package static let make = Access(rawValue: 1)
        package static let read = Access(rawValue: 2)
        package static let write = Access(rawValue: 4)
        package static let all: Access = [.make, .read, .write]
    }

    package var kind: Kind
    /// Nil is every number.
    package var major: UInt32?
    package var minor: UInt32?
    package var access: Access

    package init(_ kind: Kind, major: UInt32? = nil, minor: UInt32? = nil, access: Access = .all) {
        self.kind = kind
        self.major = major
        self.minor = minor
        self.access = access
    }
}

/// Keeps the processes of a cgroup from all devices but those that rules name, whatever nodes they find or make.
///
/// It is a program in the kernel: version 2 of cgroups has no other way. See bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE.
package struct DeviceFilter: Sendable {
    private let program: OpenFile

    /// Loads a filter.
    /// - Throws: `SystemCallError` where the kernel has no such programs or lets this process load none.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(allowing rules: [DeviceRule]) throws(SystemCallError) {
        let instructions = Self.instructions(allowing: rules).map(\.rawValue)
        let descriptor = try retryingSystemCall("bpf") {
            slipway_load_device_program(instructions, UInt32(instructions.count))
        }
        program = OpenFile(owning: descriptor, path: "device filter")
    }

    /// Puts a cgroup, given by its directory, under the filter, for as long as the cgroup exists.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func attach(to controlGroup: OpenFile) throws(SystemCallError) {
        _ = try retryingSystemCall("bpf", path: controlGroup.path) {
            slipway_attach_device_program(controlGroup.descriptor, program.descriptor)
        }
    }

    /// An instruction of the kernel's machine: eight bytes in the processor's order, which is little-endian on all that we run on.
    private struct Instruction {
        let rawValue: UInt64

        /// - Parameters:
        ///   - code: what to do.
        ///   - register: with which register.
        ///   - source: and which second one.
        ///   - offset: an offset in memory, or how many instructions a jump passes over.
        ///   - value: a constant.
        init(_ code: UInt8, _ register: UInt8 = 0, source: UInt8 = 0, offset: Int = 0, value: UInt32 = 0) {
            rawValue =
                UInt64(code) | UInt64(register) << 8 | UInt64(source) << 12
                | UInt64(UInt16(truncatingIfNeeded: offset)) << 16 | UInt64(value) << 32
        }
    }

    /// Register 1 points to what is asked for: access and kind in one word, major number, minor number.
    private static func instructions(allowing rules: [DeviceRule]) -> [Instruction] {
        let (load, copy, set, and, shiftRight, exit): (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8) =
            (0x61, 0xbc, 0xb4, 0x54, 0x74, 0x95)
        let (result, kind, access, major, minor): (UInt8, UInt8, UInt8, UInt8, UInt8) = (0, 2, 3, 4, 5)
        var program = [
            Instruction(load, kind, source: 1),
            Instruction(copy, access, source: kind),
            Instruction(and, kind, value: 0xffff),
            Instruction(shiftRight, access, value: 16),
            Instruction(load, major, source: 1, offset: 4),
            Instruction(load, minor, source: 1, offset: 8),
        ]
        for rule in rules {
            // Each register, what it must hold, and the bits of it that matter. BPF_DEVCG_DEV_BLOCK is 1, …_CHAR 2.
            var tests: [(register: UInt8, value: UInt32)] = [(kind, rule.kind == .block ? 1 : 2)]
            if let number = rule.major { tests.append((major, number)) }
            if let number = rule.minor { tests.append((minor, number)) }
            let notAllowed = UInt32(DeviceRule.Access.all.subtracting(rule.access).rawValue)
            // Then the three for the access, and the two that allow.
            var left = tests.count + 5
            for test in tests {
                left -= 1
                program.append(jump(test.register, unless: test.value, over: left))
            }
            program += [
                Instruction(copy, result, source: access),
                Instruction(and, result, value: notAllowed),
                jump(result, unless: 0, over: 2),
                Instruction(set, result, value: 1),
                Instruction(exit),
            ]
        }
        return program + [Instruction(set, result, value: 0), Instruction(exit)]
    }

    private static func jump(_ register: UInt8, unless value: UInt32, over count: Int) -> Instruction {
        Instruction(0x56, register, offset: count, value: value)
    }
}
