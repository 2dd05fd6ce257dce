/// Names with values, in the order in which they were last set: the order of an environment.
package struct Variables: Sendable, Hashable {
    private var values: [[UInt8]: (value: [UInt8], order: Int)] = [:]
    private var next = 0

    package init() {}

    package init(_ pairs: [(name: [UInt8], value: [UInt8])]) {
        for pair in pairs { set(pair.name, to: pair.value) }
    }

    package subscript(name: [UInt8]) -> [UInt8]? { values[name]?.value }

    package var isEmpty: Bool { values.isEmpty }

    /// The names, in the order in which they were last set.
    package var names: [[UInt8]] { ordered.map(\.name) }

    package var ordered: [(name: [UInt8], value: [UInt8])] {
        values.sorted { $0.value.order < $1.value.order }.map { ($0.key, $0.value.value) }
    }

    /// Sets a variable; one that is set again moves to the end.
    package mutating func set(_ name: [UInt8], to value: [UInt8]) {
        values[name] = (value, next)
        next += 1
    }

    package mutating func remove(_ name: [UInt8]) { values[name] = nil }

    package static func == (left: Variables, right: Variables) -> Bool {
        left.ordered.elementsEqual(right.ordered) { $0.name == $1.name && $0.value == $1.value }
    }

    package func hash(into hasher: inout Hasher) {
        for (name, value) in ordered {
            hasher.combine(name)
            hasher.combine(value)
        }
    }
}
