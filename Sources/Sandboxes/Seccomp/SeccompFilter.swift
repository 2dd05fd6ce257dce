/// A profile compiled to a BPF program, as the kernel takes it.
///
/// See bpf(4) and seccomp(2).
///
/// Calls are found by binary search over ranges of numbers with the same outcome, so a call costs about ten instructions
/// rather than one for each of the hundreds of allowed calls.
package struct SeccompFilter: Sendable, Hashable {
    /// `struct sock_filter`, one after the other, in the byte order of the machine.
    package let bytes: [UInt8]

    /// Compiles a profile for the processors of this machine, with the 32-bit programs they also run.
    package init(_ profile: SeccompProfile) {
        #if arch(x86_64)
            self.init(profile, x86: true)
        #else
            self.init(profile, x86: false)
        #endif
    }

    init(_ profile: SeccompProfile, x86: Bool) {
        let compiler = Compiler(profile: profile)
        let program = x86 ? compiler.x86Program() : compiler.armProgram()
        bytes = program.flatMap(\.bytes)
    }

    /// How many instructions it has; the kernel takes at most 4096.
    var instructionCount: Int { bytes.count / 8 }
}

/// One BPF instruction: `struct sock_filter`.
private struct Instruction {
    var code: UInt16
    var jumpTrue: UInt8 = 0
    var jumpFalse: UInt8 = 0
    var value: UInt32

    var bytes: [UInt8] {
        withUnsafeBytes(of: code) { Array($0) } + [jumpTrue, jumpFalse] + withUnsafeBytes(of: value) { Array($0) }
    }

    /// Loads a word of `struct seccomp_data` into the accumulator.
    static func load(_ offset: Int) -> Instruction { Instruction(code: 0x20, value: UInt32(offset)) }
    static func and(_ mask: UInt32) -> Instruction { Instruction(code: 0x54, value: mask) }
    static func skip(_ count: Int) -> Instruction { Instruction(code: 0x05, value: UInt32(count)) }
    static func ifEqual(_ value: UInt32, skip: Int, else otherwise: Int) -> Instruction {
        Instruction(code: 0x15, jumpTrue: UInt8(skip), jumpFalse: UInt8(otherwise), value: value)
    }
    static func ifAtLeast(_ value: UInt32, skip: Int, else otherwise: Int) -> Instruction {
        Instruction(code: 0x35, jumpTrue: UInt8(skip), jumpFalse: UInt8(otherwise), value: value)
    }
    static func end(_ result: UInt32) -> Instruction { Instruction(code: 0x06, value: result) }

    static let allow = end(0x7fff_0000)
    static let notify = end(0x7fc0_0000)
    static let killProcess = end(0x8000_0000)
    static func fail(_ failure: SeccompProfile.Failure) -> Instruction { end(0x0005_0000 | failure.rawValue) }
}

private struct Compiler {
    typealias Outcome = SeccompProfile.Action

    let profile: SeccompProfile

    // linux/audit.h: what the kernel says a call was made as.
    private static let auditX86_64: UInt32 = 0xc000_003e
    private static let auditI386: UInt32 = 0x4000_0003
    private static let auditARM64: UInt32 = 0xc000_00b7
    private static let auditARM: UInt32 = 0x4000_0028
    private static let x32Bit: UInt32 = 0x4000_0000

    private static let numberOffset = 0
    private static let architectureOffset = 4
    private static let argumentsOffset = 16

    func x86Program() -> [Instruction] {
        let native = branch(from: Self.x32Bit, search(.x32, offset: Self.x32Bit), below: search(.x86_64))
        return program([(Self.auditX86_64, native), (Self.auditI386, search(.i386))])
    }

    func armProgram() -> [Instruction] {
        program([(Self.auditARM64, search(.arm64)), (Self.auditARM, search(.arm))])
    }

    /// Picks the part for the architecture of the call; a call of any other kind ends the process.
    private func program(_ parts: [(architecture: UInt32, code: [Instruction])]) -> [Instruction] {
        var rest: [Instruction] = [.killProcess]
        for part in parts.reversed() {
            let code = [.load(Self.numberOffset)] + part.code
            rest = [.ifEqual(part.architecture, skip: 1, else: 0), .skip(code.count)] + code + rest
        }
        return [.load(Self.architectureOffset)] + rest
    }

    /// The search among the calls of one architecture, with the number in the accumulator.
    private func search(_ architecture: SystemCallTable.Architecture, offset: UInt32 = 0) -> [Instruction] {
        let numbers = SystemCallTable.numbers(for: architecture)
        var outcomes: [UInt32: Outcome] = [:]
        for (name, number) in numbers {
            outcomes[number] = profile.action(for: name, on: architecture) ?? .fail(.notPermitted)
        }
        // ARM keeps a few private calls from 0xf0000 on; what is newer than the table comes right after the others.
        let newest = numbers.values.filter { $0 < 0xf_0000 }.max() ?? 0
        var ranges: [(start: UInt32, outcome: Outcome)] = []
        func append(_ start: UInt32, _ outcome: Outcome) {
            if ranges.last?.outcome != outcome { ranges.append((start, outcome)) }
        }
        append(0, outcomes[0] ?? .fail(.notPermitted))
        for number in outcomes.keys.sorted() {
            append(number, outcomes[number] ?? .fail(.notPermitted))
            // A hole in the numbers is no call that anybody has; a number above them all is a call from the future, and
            // programs expect ENOSYS from a kernel that does not have it.
            if outcomes[number + 1] == nil {
                append(number + 1, .fail(number >= newest ? .noSuchSystemCall : .notPermitted))
            }
        }
        return tree(ranges[...].map { ($0.start + offset, $0.outcome) }[...])
    }

    private func tree(_ ranges: ArraySlice<(start: UInt32, outcome: Outcome)>) -> [Instruction] {
        guard let first = ranges.first else { return [.fail(.notPermitted)] }
        if ranges.count == 1 { return code(for: first.outcome) }
        let middle = ranges.startIndex + ranges.count / 2
        return branch(from: ranges[middle].start, tree(ranges[middle...]), below: tree(ranges[..<middle]))
    }

    private func branch(from start: UInt32, _ upper: [Instruction], below lower: [Instruction]) -> [Instruction] {
        // Conditional jumps reach 255 instructions; longer ones go through an unconditional one.
        if lower.count <= 255 { return [.ifAtLeast(start, skip: lower.count, else: 0)] + lower + upper }
        return [.ifAtLeast(start, skip: 0, else: 1), .skip(lower.count)] + lower + upper
    }

    private func code(for outcome: Outcome) -> [Instruction] {
        switch outcome {
        case .allow: return [.allow]
        case .fail(let failure): return [.fail(failure)]
        case .hand(let conditions): return code(for: conditions, .notify) + [.allow]
        case .allowIfAny(let rules):
            return rules.flatMap { code(for: $0, .allow) } + [.fail(.notPermitted)]
        }
    }

    /// Ends with an outcome when all conditions hold, and otherwise goes on behind itself.
    private func code(for rule: [SeccompProfile.Condition], _ outcome: Instruction) -> [Instruction] {
        var code = [outcome]
        for condition in rule.reversed() { code = test(condition, then: code) }
        return code
    }

    private func test(_ condition: SeccompProfile.Condition, then code: [Instruction]) -> [Instruction] {
        func low(_ index: Int) -> Instruction { .load(Self.argumentsOffset + 8 * index) }
        func high(_ index: Int) -> Instruction { .load(Self.argumentsOffset + 8 * index + 4) }
        func equals(_ value: UInt32, then code: [Instruction]) -> [Instruction] {
            [.ifEqual(value, skip: 0, else: code.count)] + code
        }
        switch condition {
        case .equal(let index, let value):
            return [high(index)]
                + equals(
                    UInt32(truncatingIfNeeded: value >> 32),
                    then: [low(index)] + equals(UInt32(truncatingIfNeeded: value), then: code)
                )
        case .below(let index, let bound):
            // Bounds are small numbers: the upper half must be 0 and the lower half below the bound.
            let lower = [low(index), .ifAtLeast(UInt32(truncatingIfNeeded: bound), skip: code.count, else: 0)] + code
            return [high(index)] + equals(0, then: lower)
        case .lowerDiffers(let index, let value):
            return [low(index), .ifEqual(value, skip: code.count, else: 0)] + code
        case .masked(let index, let mask, let value):
            let lower =
                [low(index), .and(UInt32(truncatingIfNeeded: mask))]
                + equals(UInt32(truncatingIfNeeded: value), then: code)
            return [high(index), .and(UInt32(truncatingIfNeeded: mask >> 32))]
                + equals(UInt32(truncatingIfNeeded: value >> 32), then: lower)
        }
    }
}
