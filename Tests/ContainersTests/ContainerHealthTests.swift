import Containers
import OCI
import Proofs
import Testing

@Suite struct `The health of a container` {
    private func check(_ code: CInt, _ output: String = "") -> ContainerHealth.Check {
        .init(start: "", end: "", exitCode: code, output: output)
    }

    @Test(.proves("B19: the HEALTHCHECK of an image"))
    func `is starting until a check succeeds, or too many in a row fail`() {
        var health = ContainerHealth()
        #expect(health.status == .starting)
        for code: CInt in [1, 1] { health.receive(check(code), isStarting: false, retries: 3) }
        #expect(health.status == .starting && health.failingStreak == 2)
        health.receive(check(0), isStarting: false, retries: 3)
        #expect(health.status == .healthy && health.failingStreak == 0)
        for code: CInt in [1, -1] { health.receive(check(code), isStarting: false, retries: 3) }
        #expect(health.status == .healthy && health.failingStreak == 2)
        health.receive(check(2), isStarting: false, retries: 3)
        #expect(health.status == .unhealthy && health.failingStreak == 3)
        health.receive(check(0), isStarting: false, retries: 3)
        #expect(health.status == .healthy)
    }

    @Test func `does not count failures in the start period until a check has succeeded`() {
        var health = ContainerHealth()
        for _ in 0..<5 { health.receive(check(1), isStarting: true, retries: 1) }
        #expect(health.status == .starting && health.failingStreak == 0)
        health.receive(check(0), isStarting: true, retries: 1)
        health.receive(check(1), isStarting: true, retries: 1)
        #expect(health.status == .unhealthy)
    }

    @Test func `keeps the last five results`() {
        var health = ContainerHealth()
        for number in 1...7 { health.receive(check(0, "\(number)"), isStarting: false, retries: 1) }
        #expect(health.log.map(\.output) == ["3", "4", "5", "6", "7"])
    }

    @Test func `is checked as the image says, with docker's defaults`() throws {
        let plain = try #require(HealthPlan(Healthcheck(test: ["CMD-SHELL", "a b"])))
        #expect(plain.arguments == ["/bin/sh", "-c", "a b"])
        #expect(plain.interval == .seconds(30) && plain.timeout == .seconds(30) && plain.retries == 3)
        #expect(plain.pause(.starting, age: .seconds(0)) == .seconds(30))
        var check = Healthcheck(test: ["CMD", "a", "b"])
        check.startPeriod = 10_000_000_000
        check.startInterval = 1_000_000_000
        check.interval = 2_000_000_000
        let plan = try #require(HealthPlan(check))
        #expect(plan.arguments == ["a", "b"])
        #expect(plan.pause(.starting, age: .seconds(3)) == .seconds(1))
        #expect(plan.pause(.healthy, age: .seconds(3)) == .seconds(2))
        #expect(plan.pause(.starting, age: .seconds(11)) == .seconds(2))
        for test in [["NONE"], [], ["CMD"], nil] { #expect(HealthPlan(Healthcheck(test: test)) == nil) }
    }
}
