import Text

/// A line of a step's output as a terminal would show it in the end.
///
/// What a carriage return begins again replaces what stood there, as progress bars do, and sequences that colour, erase or move
/// (CSI of ECMA-48) are left out.
func settledLine(_ line: [UInt8]) -> [UInt8] {
    guard line.contains(where: { $0 == carriageReturn || $0 == escape }) else { return line }
    var end = line.endIndex
    while end > 0, line[end - 1] == carriageReturn { end -= 1 }
    let start = line[..<end].lastIndex(of: carriageReturn).map { $0 + 1 } ?? 0
    var rest = line[start..<end]
    var text: [UInt8] = []
    while let position = rest.firstIndex(of: escape) {
        text += rest[..<position]
        let length = controlSequenceLength(rest[position...])
        if length == 0 { text.append(escape) }
        rest = rest[(position + max(length, 1))...]
    }
    return text + rest
}

/// How many bytes at the end of a line that still grows are to be shown with what follows: a carriage return, or the beginning of a
/// character or of a control sequence.
func unsettledLength(_ line: [UInt8]) -> Int {
    if line.last == carriageReturn { return 1 }
    let tail = line.suffix(longestControlSequence)
    if let start = tail.lastIndex(of: escape), controlSequenceLength(tail[start...]) == 0,
        tail[start...].dropFirst(2).allSatisfy({ (0x20..<0x40).contains($0) }),
        tail.endIndex - start < 2 || tail[start + 1] == "["
    {
        return tail.endIndex - start
    }
    return unfinishedCharacterLength(line)
}

private let carriageReturn: UInt8 = "\r"
private let escape: UInt8 = 0x1b
/// What is longer is no sequence that anybody writes.
private let longestControlSequence = 32

/// The length of the control sequence that bytes begin with; 0 where they do not begin with a whole one.
private func controlSequenceLength(_ bytes: ArraySlice<UInt8>) -> Int {
    let candidate = bytes.prefix(longestControlSequence)
    guard candidate.count > 2, candidate[candidate.startIndex + 1] == "[" else { return 0 }
    let parameters = candidate.dropFirst(2)
    guard let final = parameters.firstIndex(where: { !(0x20..<0x40).contains($0) }) else { return 0 }
    return (0x40..<0x7f).contains(candidate[final]) ? final - candidate.startIndex + 1 : 0
}
