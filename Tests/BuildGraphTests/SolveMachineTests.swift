import Testing

@testable import BuildGraph

@Suite struct `The solve machine` {
    static let plain = SolveMachine.Shape(isContentOnly: false, byContent: [])
    static let one = SolveMachine.Shape(isContentOnly: false, byContent: [false])
    static let copied = SolveMachine.Shape(isContentOnly: false, byContent: [true])

    @Test func `runs nothing when the target is found`() {
        var machine = SolveMachine(inputs: [[], [0]], ignoresCache: [false, false], targets: [1])
        #expect(machine.start() == [.map(0), .map(1)])
        #expect(machine.receive(.mapped(1, Self.one)) == [])
        #expect(machine.receive(.mapped(0, Self.plain)) == [.lookUp(0, .definition)])
        #expect(machine.receive(.lookedUp(0, .gone)) == [.settled(0, .gone), .lookUp(1, .definition)])
        #expect(machine.receive(.lookedUp(1, .found)) == [.settled(1, .found)])
        #expect(machine.isOver)
    }

    @Test func `runs what is missing, inputs first`() {
        var machine = SolveMachine(inputs: [[], [0]], ignoresCache: [false, false], targets: [1])
        _ = machine.start()
        _ = machine.receive(.mapped(0, Self.plain))
        _ = machine.receive(.mapped(1, Self.one))
        // The target is certain to miss, so its input runs at once.
        #expect(
            machine.receive(.lookedUp(0, .missed)) == [.settled(0, .missed), .lookUp(1, .definition), .run(0)]
        )
        #expect(machine.receive(.lookedUp(1, .missed)) == [.settled(1, .missed)])
        #expect(machine.receive(.ran(0)) == [.run(1)])
        #expect(!machine.isOver)
        #expect(machine.receive(.ran(1)) == [])
        #expect(machine.isOver)
    }

    @Test func `looks at the content only after the definition missed, and loads only what is looked at`() {
        var machine = SolveMachine(inputs: [[], [0]], ignoresCache: [false, false], targets: [1])
        _ = machine.start()
        _ = machine.receive(.mapped(0, Self.plain))
        _ = machine.receive(.mapped(1, Self.copied))
        _ = machine.receive(.lookedUp(0, .missed))
        #expect(machine.receive(.lookedUp(1, .missed)) == [.run(0)])
        #expect(machine.receive(.ran(0)) == [.keyContent(1, input: 0)])
        #expect(machine.receive(.contentKeyed(1, input: 0)) == [.lookUp(1, .content)])
        #expect(machine.receive(.lookedUp(1, .found)) == [.settled(1, .found)])
        #expect(machine.isOver)
    }

    @Test func `goes straight to the content of what has no key`() {
        var machine = SolveMachine(inputs: [[], [0]], ignoresCache: [false, false], targets: [1])
        _ = machine.start()
        #expect(machine.receive(.mapped(1, Self.copied)) == [])
        #expect(
            machine.receive(.mapped(0, SolveMachine.Shape(isContentOnly: true, byContent: [])))
                == [.settled(0, .keyless), .run(0)]
        )
    }

    @Test func `does nothing more after a failure`() {
        var machine = SolveMachine(inputs: [[], [0]], ignoresCache: [false, false], targets: [1])
        _ = machine.start()
        #expect(machine.receive(.failed) == [])
        #expect(machine.receive(.mapped(0, Self.plain)) == [])
        #expect(machine.isOver)
    }
}
