import Testing
import Text

@Suite struct `Secrets` {
    @Test func `a secret is not shown when it is printed, dumped or interpolated`() {
        struct Holder { let secret: Secret }
        var dumped = ""
        dump(Holder(secret: Secret("canary")), to: &dumped)
        let texts = [
            "\(Secret("canary"))", String(reflecting: Holder(secret: Secret("canary"))), "\([Secret("canary")])",
            dumped,
        ]
        for text in texts { #expect(!text.contains("canary")) }
        #expect(Secret("canary").reveal() == "canary")
    }
}
