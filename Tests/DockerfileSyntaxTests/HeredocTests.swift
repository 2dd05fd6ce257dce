import DockerfileSyntax
import Proofs
import Testing

@Suite struct `Heredocs` {
    @Test(
        .proves("On RUN, COPY, ADD and in ONBUILD of these", "<<W, <<-W, numbers, quotes, terminators"),
        arguments: [
            ("<<EOF", "EOF", true, false, 0), ("<<-EOF", "EOF", true, true, 0), ("<<\"EOF\"", "EOF", false, false, 0),
            ("<<'EOF'", "EOF", false, false, 0), ("<<-'E F'", "E F", false, true, 0), ("3<<EOF", "EOF", true, false, 3),
            ("<<E\"O\"F", "EOF", false, false, 0), ("<< EOF", "EOF", true, false, 0), ("<<$X", "$X", true, false, 0),
        ]
    )
    func `are announced in every form`(word: String, name: String, expands: Bool, tabs: Bool, descriptor: Int) throws {
        let heredoc = try #require(instruction("RUN cat \(word) >x\nbody\n\(name)\n").heredocs.first)
        #expect(heredoc.name.text == name)
        #expect(heredoc.expands == expands)
        #expect(heredoc.stripsTabs == tabs)
        #expect(Int(heredoc.fileDescriptor) == descriptor)
        #expect(heredoc.content.text == "body\n")
        #expect(heredoc.range?.lines == 3...4)
    }

    @Test(.proves("Several on a line")) func `follow each other in the order of their names`() throws {
        let run = try instruction("RUN a <<X 4<<Y\n1\n2\nX\n3\nY\n")
        #expect(run.heredocs.map(\.name.text) == ["X", "Y"])
        #expect(run.heredocs.map(\.content.text) == ["1\n2\n", "3\n"])
        #expect(run.range.lines == 2...7)
    }

    @Test(.proves("<<W, <<-W, numbers, quotes, terminators")) func `end at exactly their name`() throws {
        let run = try instruction("RUN <<EOF\n EOF\nEOF \n\tEOF\nEOFX\nEOF\n")
        #expect(run.heredocs[0].content.text == " EOF\nEOF \n\tEOF\nEOFX\n")
    }

    @Test(.proves("<<W, <<-W, numbers, quotes, terminators"))
    func `with a dash lose leading tabs and end at an indented name`() throws {
        let run = try instruction("RUN <<-EOF\n\t\ta\n\t b\tc\n\n\tEOF\n")
        #expect(run.heredocs[0].content.text == "\t\ta\n\t b\tc\n\n")
        #expect(run.heredocs[0].effectiveContent.text == "a\n b\tc\n\n")
    }

    @Test func `keep comments, continuations and carriage returns`() throws {
        let run = try instruction("RUN <<EOF\r\n# a\\\r\n\r\nEOF\r\n")
        #expect(run.heredocs[0].content.text == "# a\\\r\n\r\n")
    }

    @Test func `become documents of COPY and ADD`() throws {
        guard case .copy(let copy) = try instruction("COPY a <<'X' <<-Y b/\n$v\nX\n\t1\nY").command else {
            Issue.record("not COPY")
            return
        }
        #expect(copy.sources.texts == ["a"])
        #expect(copy.documents.map(\.name.text) == ["X", "Y"])
        #expect(copy.documents.map(\.content.text) == ["$v\n", "1\n"])
        #expect(copy.documents.map(\.expands) == [false, true])
    }

    @Test(
        .proves("Not with JSON, not as a destination"),
        arguments: [
            "RUN [\"a\", \"<<EOF\"]", "CMD cat <<EOF", "RUN a <<< b", "RUN a <<", "RUN a '<<EOF'", "RUN echo \"<<EOF\"",
            "RUN a 1 < 2", "ENV a=<<EOF",
        ]
    )
    func `are not found in other text`(text: String) throws {
        #expect(try instruction(text).heredocs.isEmpty)
    }

    @Test(.proves("<<W, <<-W, numbers, quotes, terminators")) func `without an end are refused with all their lines`()
        throws
    {
        let error = #expect(throws: DockerfileError.self) { try parse("FROM scratch\nRUN <<EOF\na\nb") }
        #expect(error?.message == "unterminated heredoc")
        #expect(error?.range?.lines == 2...4)
    }

    @Test(.proves("Not with JSON, not as a destination")) func `cannot be a destination`() {
        #expect(instructionMessage("COPY a <<EOF\nx\nEOF") == "COPY cannot accept a heredoc as a destination")
    }
}
