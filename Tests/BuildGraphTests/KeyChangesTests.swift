import BuildGraph
import OCI
import Testing
import Text

@Suite struct `The differences of two keys` {
    @Test func `name the components that have another value, are new or are gone`() {
        let old = description([KeyComponent("command", "make"), KeyComponent("env A", "1"), KeyComponent("env B", "1")])
        let new = description([
            KeyComponent("command", "make all"), KeyComponent("env A", "1"), KeyComponent("env C", "2"),
        ])
        #expect(
            new.changes(since: old) == [
                .component(name: "command", old: "make", new: "make all"),
                .component(name: "env C", old: nil, new: "2"),
                .component(name: "env B", old: "1", new: nil),
            ]
        )
        #expect(new.changes(since: new) == [])
    }

    @Test func `name the files that came, went or changed`() {
        let old = content([entry("a", "1"), entry("b", "1"), entry("c", "1", mode: 0o644), entry("d", "1")])
        let new = content([entry("a", "1"), entry("b", "2"), entry("c", "1", mode: 0o755), entry("e", "1")])
        #expect(
            new.changes(since: old) == [
                ChangedFile(path: "b", kind: .changed([.content])),
                ChangedFile(path: "c", kind: .changed([.mode(old: 0o644, new: 0o755)])),
                ChangedFile(path: "d", kind: .removed),
                ChangedFile(path: "e", kind: .added),
            ]
        )
    }

    @Test func `say when a step has other inputs`() {
        let input = InputDescription(step: "base", slot: nil, contribution: .unknown)
        let new = KeyDescription(components: [], inputs: [input])
        #expect(new.changes(since: description([])) == [.inputCount(old: 0, new: 1)])
    }

    private func description(_ components: [KeyComponent]) -> KeyDescription {
        KeyDescription(components: components, inputs: [])
    }

    private func content(_ entries: [ContentEntry]) -> ContentKey {
        ContentKey(digest: digest("\(entries)"), entries: entries)
    }

    private func entry(_ path: String, _ content: String, mode: UInt32 = 0o644) -> ContentEntry {
        ContentEntry(path: Array(path.utf8), kind: .file, mode: mode, content: digest(content))
    }
}
