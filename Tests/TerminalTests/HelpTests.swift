import Testing

@testable import Terminal

@Suite struct `Wrapping help` {
    @Test func `lines break between words and keep the breaks they have`() {
        #expect(HelpWrapping.wrap("one two three four five six", to: 24) == ["one two three four", "five six"])
        #expect(HelpWrapping.wrap("a\nb", to: 40) == ["a", "b"])
        #expect(HelpWrapping.wrap("", to: 40) == [""])
    }

    @Test func `a narrow column is left alone`() {
        #expect(HelpWrapping.wrap("one two three four five six seven", to: 10) == ["one two three four five six seven"])
    }
}
