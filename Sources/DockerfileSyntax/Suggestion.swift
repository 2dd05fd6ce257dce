/// The option a misspelt word most likely means, or nil: fewer than three single-character edits away, the nearest wins.
///
/// An option equal to the word gives nil, because then the spelling was not the mistake. Ties go to the first in order.
package func suggestion(
    for word: String,
    among options: some Sequence<String>,
    caseSensitive: Bool = true
) -> String? {
    let wanted = Array((caseSensitive ? word : word.lowercased()).utf8)
    var best: String?
    var bestDistance = 3
    for option in options.sorted() {
        let candidate = caseSensitive ? option : option.lowercased()
        let bytes = Array(candidate.utf8)
        if bytes == wanted { return nil }
        guard abs(bytes.count - wanted.count) < bestDistance else { continue }
        let distance = editDistance(wanted, bytes)
        if distance < bestDistance {
            bestDistance = distance
            best = caseSensitive ? option : matchingCase(candidate, of: word)
        }
    }
    return best
}

/// The suggestion in the letter case in which the word was typed.
private func matchingCase(_ option: String, of word: String) -> String {
    if word == word.lowercased() { return option.lowercased() }
    if word == word.uppercased() { return option.uppercased() }
    return option
}

/// Levenshtein's distance: insertions, deletions and substitutions of one byte.
func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var previous = Array(0...right.count)
    var current = previous
    for (row, byte) in left.enumerated() {
        current[0] = row + 1
        for (column, other) in right.enumerated() {
            current[column + 1] = min(
                previous[column] + (byte == other ? 0 : 1),
                previous[column + 1] + 1,
                current[column] + 1
            )
        }
        swap(&previous, &current)
    }
    return previous[right.count]
}
