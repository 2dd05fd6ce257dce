/// Takes down the sums of a layer's files as they are written or read, one after the other.
///
/// A name that comes again counts as it came last.
package final class FileSumRecorder {
    private let hash = NameHash()
    private var entries: [FileSums.Entry] = []
    /// Where the names are, once something is looked for.
    private var places: [UInt64: Int]?
    private var gone: Set<UInt64> = []
    /// Whether the names that were taken down are those that the files have.
    package private(set) var isExact = true

    package init() {}

    /// Takes down a file.
    /// - Parameters:
    ///   - path: from the root of the layer, without a slash in front.
    ///   - sum: of its content; nil where that is not known.
    package func note(_ path: [UInt8], _ sum: FileSum?) {
        let name = hash(path)
        places?[name] = entries.count
        entries.append(FileSums.Entry(name: name, sum: sum))
    }

    /// Takes down another name of a file.
    package func noteLink(_ path: [UInt8], to target: [UInt8]) {
        let places = places ?? Dictionary(entries.indices.map { (entries[$0].name, $0) }, uniquingKeysWith: { $1 })
        self.places = places
        guard let place = places[hash(target)] else { return giveUp() }
        note(path, entries[place].sum)
    }

    /// Notes that a file was removed, and will not come again.
    package func forget(_ path: [UInt8]) { gone.insert(hash(path)) }

    /// Notes that files were written under other names than were taken down.
    package func giveUp() { isExact = false }

    /// What was taken down; nil where it is not exact.
    package var sums: FileSums? {
        guard isExact else { return nil }
        // Stable: of equal names the last one is kept.
        let order = entries.indices.filter { gone.isEmpty || !gone.contains(entries[$0].name) }
            .sorted { (entries[$0].name, $0) < (entries[$1].name, $1) }
        var sorted: [FileSums.Entry] = []
        sorted.reserveCapacity(order.count)
        for index in order {
            if sorted.last?.name == entries[index].name { sorted.removeLast() }
            sorted.append(entries[index])
        }
        return FileSums(hash, sorted: sorted)
    }
}
