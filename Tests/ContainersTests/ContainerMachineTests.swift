import Containers
import FoundationEssentials
import LinuxSystem
import Testing

private typealias Event = ContainerMachine.Event
private typealias Refusal = ContainerMachine.Refusal

private let run: ContainerState.Run = {
    var run = ContainerState.Run(started: 5)
    run.isNested = true
    run.runtimeState = "/state"
    return run
}()

private let ending: ContainerState.Ending = {
    var ending = ContainerState.Ending(exitCode: 3)
    ending.finished = 9
    ending.ranOutOfMemory = false
    return ending
}()

private let failure = ContainerState.Failure(exitCode: 127, reason: "exec: \"x\": not found")

private let network: ContainerState.Network = {
    var network = ContainerState.Network(address: "10.92.0.2")
    (network.gateway, network.prefixLength, network.macAddress) = ("10.92.0.1", 24, "02:00:00:00:00:01")
    network.ports = [PublishedPort(hostPort: 8080, containerPort: 80)]
    return network
}()

/// What has to happen to a new container to bring it into each phase.
private let ways: [(phase: String, events: [Event])] = [
    ("created", []),
    ("preparing", [.prepare(keeper: nil), .connected(network), .confined(controlGroups: ["/g"], deviceGroup: "d")]),
    ("running", [.prepare(keeper: nil), .connected(network), .started(run)]),
    ("restarting", [.prepare(keeper: nil), .started(run), .restart]),
    ("exited", [.prepare(keeper: nil), .started(run), .ended(ending)]),
    ("failed", [.prepare(keeper: nil), .failed(failure)]),
    ("removing", [.remove]),
]

private func machineIn(_ phase: String, isRemovedAtEnd: Bool = false) throws -> ContainerMachine {
    var machine = ContainerMachine(ContainerState(), isRemovedAtEnd: isRemovedAtEnd)
    for event in try #require(ways.first { $0.phase == phase }).events { _ = try machine.receive(event) }
    return machine
}

@Suite struct `The life of a container by its machine` {
    /// For each event, what it makes of each phase: the next phase, `=` for a change within the phase, or a refusal.
    @Test(
        arguments: [
            (.prepare(keeper: nil), "preparing ?prepared ?running ?running preparing preparing ?removed"),
            (.connected(network), "?idle = ?running ?running ?idle ?idle ?removed"),
            (.confined(controlGroups: [], deviceGroup: nil), "?idle = ?running ?running ?idle ?idle ?removed"),
            (.started(run), "?idle running ?running ?running ?idle ?idle ?removed"),
            (.checked(ContainerHealth()), "?idle ?idle = = ?idle ?idle ?idle"),
            (.restart, "?idle ?idle = = ?idle ?idle ?idle"),
            (.disconnected, "= = = = = = ="),
            (.ended(ending), "?idle exited exited exited ?idle ?idle ?removed"),
            (.failed(failure), "?idle created created created ?idle ?idle ?removed"),
            (.remove, "removing ?prepared ?running ?running removing removing ="),
        ] as [(ContainerMachine.Event, String)]
    ) func `each event changes each phase, or is refused there`(given: (ContainerMachine.Event, String)) throws {
        let (event, expected) = given
        for (way, outcome) in zip(ways, expected.split(separator: " ")) {
            var machine = try machineIn(way.phase)
            let before = machine.state
            var found: String
            do throws(Refusal) {
                _ = try machine.receive(event)
                let (old, new) = (name(before), name(machine.state))
                found = old == new ? "=" : new
            } catch {
                #expect(machine.state == before)
                found =
                    switch error {
                    case .isRunning: "?running"
                    case .isBeingPrepared: "?prepared"
                    case .isBeingRemoved: "?removed"
                    case .isNotActive: "?idle"
                    }
            }
            #expect(found == outcome, "\(event) while \(way.phase)")
        }
    }

    private func name(_ state: ContainerState) -> String {
        switch state.phase {
        case .created: "created"
        case .preparing: "preparing"
        case .running: "running"
        case .exited: "exited"
        case .removing: "removing"
        }
    }

    @Test func `an end is recorded, and removes a container that is to go with it unless it is restarted`() throws {
        for (phase, actions) in [
            ("running", [ContainerMachine.Action.note(exitCode: 3), .discard]), ("restarting", [.note(exitCode: 3)]),
        ] {
            var machine = try machineIn(phase, isRemovedAtEnd: true)
            #expect(try machine.receive(.ended(ending)) == actions)
            #expect(machine.state.status == .exited && machine.state.exitCode == 3)
            #expect(machine.state.started == 5 && machine.state.ending?.finished == 9)
        }
        var kept = try machineIn("running")
        #expect(try kept.receive(.ended(ending)) == [.note(exitCode: 3)])
        var failed = try machineIn("preparing", isRemovedAtEnd: true)
        #expect(try failed.receive(.failed(failure)) == [.note(exitCode: 127), .discard])
        #expect(failed.state.status == .created && failed.state.error == failure.reason)
    }

    @Test func `what a container holds of the host is its own until it ends`() throws {
        for phase in ["preparing", "running"] {
            var machine = try machineIn(phase)
            #expect(machine.state.network == network)
            _ = try machine.receive(.ended(ending))
            #expect(machine.state.network == nil && machine.state.controlGroups.isEmpty)
            #expect(machine.state.deviceGroup == nil)
        }
    }

    @Test func `every state is read as it was written`() throws {
        for way in ways {
            let state = try machineIn(way.phase).state
            let text = try JSONEncoder().encode(state)
            // Without a keeper, a state that is being prepared cannot be told from one that was made.
            if way.phase == "preparing" { continue }
            #expect(try JSONDecoder().decode(ContainerState.self, from: text) == state, "\(way.phase)")
        }
    }

    /// As Slipway 0.1 wrote them.
    @Test func `states of stores of earlier versions are read`() throws {
        func read(_ text: String) throws -> ContainerState {
            try JSONDecoder().decode(ContainerState.self, from: Data(text.utf8))
        }
        let process = #"{"processID":7,"startTime":8,"bootID":"b"}"#
        #expect(try read(#"{"isNested":false,"ports":[],"status":"created"}"#) == ContainerState())
        let preparing = try read(
            #"{"isNested":false,"keeper":\#(process),"ports":[],"status":"created","address":"10.92.0.2"}"#
        )
        guard case .preparing(let keeper?) = preparing.phase else {
            Issue.record("\(preparing)")
            return
        }
        let again = try JSONEncoder().encode(preparing)
        #expect(try JSONDecoder().decode(ContainerState.self, from: again) == preparing)
        #expect(keeper.processID == 7 && preparing.network?.address == "10.92.0.2")
        let running = try read(
            #"""
            {"status":"running","process":\#(process),"isNested":true,"started":5,"address":"10.92.0.2",
            "gateway":"10.92.0.1","prefixLength":24,"keeper":\#(process),"controlGroups":["/g"],"deviceGroup":"d",
            "ports":[],"runtimeState":"/s"}
            """#
        )
        #expect(running.status == .running && running.run?.isNested == true && running.run?.keeper == keeper)
        #expect(running.process == keeper && running.started == 5 && running.run?.runtimeState == "/s")
        #expect(
            running.network?.gateway == "10.92.0.1" && running.controlGroups == ["/g"] && running.deviceGroup == "d"
        )
        let exited =
            #""status":"exited","isNested":false,"exitCode":137,"started":5,"finished":6,"ports":[],"#
            + #""ranOutOfMemory":true"#
        let ended = try read("{\(exited)}")
        #expect(ended.status == .exited && ended.exitCode == 137 && ended.ending?.ranOutOfMemory == true)
        let removing = try read("{\(exited),\"isBeingRemoved\":true}")
        if case .removing(after: .some) = removing.phase {} else { Issue.record("\(removing)") }
        let failed = try read(#"{"status":"created","isNested":false,"exitCode":127,"error":"no","ports":[]}"#)
        #expect(failed.phase == .created(.init(exitCode: 127, reason: "no")))
    }
}
