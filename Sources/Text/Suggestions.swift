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

/// Guesses what a mistyped word was meant to be.
package enum Suggestions {
    /// The candidates at most two edits away or beginning with `word`, nearest first.
    package static func nearest(to word: String, among candidates: [String]) -> [String] {
        let word = word.lowercased()
        return
            candidates
            .map { (name: $0, distance: distance(word, $0.lowercased())) }
            .filter { $0.distance <= min(2, max(1, word.count / 2)) || (word.count > 1 && $0.name.hasPrefix(word)) }
            .sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }
            .map(\.name)
    }

    /// Edits (insert, delete, replace, swap of neighbours) that turn one word into the other.
    package static func distance(_ left: String, _ right: String) -> Int {
        let left = Array(left)
        let right = Array(right)
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for i in left.indices {
            var row = [i + 1]
            for j in right.indices {
                var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (left[i] == right[j] ? 0 : 1))
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    best = min(best, beforeLast[j - 1] + 1)
                }
                row.append(best)
            }
            beforeLast = last
            last = row
        }
        return last[right.count]
    }
}
