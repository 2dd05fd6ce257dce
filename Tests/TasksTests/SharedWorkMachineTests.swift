import Tasks
import Testing

@Suite struct `The machine of shared work` {
    @Test func `cancels when the last waiter leaves, and answers it when the work has ended`() {
        var machine = SharedWorkMachine(startedBy: 1)
        #expect(machine.receive(.joined(2)) == .wait)
        #expect(machine.receive(.left(1)) == .letGo)
        #expect(machine.receive(.left(1)) == .nothing)
        #expect(machine.receive(.left(2)) == .cancel)
        #expect(machine.receive(.joined(3)) == .beginAnew)
        #expect(machine.receive(.ended) == .replyTo([2]))
    }

    @Test func `answers every waiter`() {
        var machine = SharedWorkMachine(startedBy: 1)
        #expect(machine.receive(.joined(2)) == .wait)
        #expect(machine.receive(.ended) == .replyTo([1, 2]))
        #expect(machine.receive(.left(1)) == .nothing)
        #expect(machine.receive(.joined(3)) == .beginAnew)
        #expect(machine.receive(.ended) == .nothing)
    }
}
