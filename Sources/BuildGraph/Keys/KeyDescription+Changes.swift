extension KeyDescription {
    /// What differs in this key from an earlier one of the same step: components first, then inputs.
    package func changes(since earlier: KeyDescription) -> [KeyChange] {
        componentChanges(since: earlier) + inputChanges(since: earlier)
    }

    /// Components are matched by name, and those of one name in their order.
    private func componentChanges(since earlier: KeyDescription) -> [KeyChange] {
        struct Name: Hashable {
            let name: String
            let count: Int
        }
        func numbered(_ components: [KeyComponent]) -> [(name: Name, value: [UInt8])] {
            var counts: [String: Int] = [:]
            return components.map { component in
                let count = counts[component.name, default: 0]
                counts[component.name] = count + 1
                return (Name(name: component.name, count: count), component.value)
            }
        }
        let old = numbered(earlier.components)
        let new = numbered(components)
        let oldValues = Dictionary(uniqueKeysWithValues: old.map { ($0.name, $0.value) })
        let newNames = Set(new.map(\.name))
        let changed = new.compactMap { name, value -> KeyChange? in
            let before = oldValues[name]
            return before == value ? nil : .component(name: name.name, old: before, new: value)
        }
        let removed = old.filter { !newNames.contains($0.name) }
        return changed + removed.map { .component(name: $0.name.name, old: $0.value, new: nil) }
    }

    private func inputChanges(since earlier: KeyDescription) -> [KeyChange] {
        if inputs.count != earlier.inputs.count {
            return [.inputCount(old: earlier.inputs.count, new: inputs.count)]
        }
        return zip(inputs, earlier.inputs).compactMap { new, old in
            switch (new.contribution, old.contribution) {
            case (.content(let newKey, let newSelector), .content(let oldKey, let oldSelector)):
                if newSelector != oldSelector {
                    return .component(name: "files used of \(new.step)", old: oldSelector, new: newSelector)
                }
                if newKey.digest == oldKey.digest { return nil }
                return .content(step: new.step, files: newKey.changes(since: oldKey))
            case (.definition, .definition):
                return new.contribution == old.contribution ? nil : .input(step: new.step, slot: new.slot)
            // A record whose result was gone is made again without looking at the content: nothing to compare with.
            case (.unknown, _), (_, .unknown), (.definition, .content), (.content, .definition): return nil
            }
        }
    }
}

extension ContentKey {
    /// The files that differ from an earlier key, in the order of their paths; empty if either key has no list.
    package func changes(since earlier: ContentKey) -> [ChangedFile] {
        if entries.isEmpty || earlier.entries.isEmpty { return [] }
        var changes: [ChangedFile] = []
        var (new, old) = (0, 0)
        while new < entries.count || old < earlier.entries.count {
            if old == earlier.entries.count
                || new < entries.count && entries[new].path.lexicographicallyPrecedes(earlier.entries[old].path)
            {
                changes.append(ChangedFile(path: entries[new].path, kind: .added))
                new += 1
            } else if new == entries.count
                || earlier.entries[old].path.lexicographicallyPrecedes(entries[new].path)
            {
                changes.append(ChangedFile(path: earlier.entries[old].path, kind: .removed))
                old += 1
            } else {
                let attributes = entries[new].changes(since: earlier.entries[old])
                if !attributes.isEmpty {
                    changes.append(ChangedFile(path: entries[new].path, kind: .changed(attributes)))
                }
                new += 1
                old += 1
            }
        }
        return changes
    }
}

extension ContentEntry {
    fileprivate func changes(since earlier: ContentEntry) -> [ChangedFile.Attribute] {
        var changes: [ChangedFile.Attribute] = []
        if kind != earlier.kind {
            changes.append(.type(old: earlier.kind, new: kind))
        } else if content != earlier.content {
            changes.append(.content)
        }
        if mode != earlier.mode { changes.append(.mode(old: earlier.mode, new: mode)) }
        if owner != earlier.owner { changes.append(.owner(old: earlier.owner, new: owner)) }
        if group != earlier.group { changes.append(.group(old: earlier.group, new: group)) }
        if extendedAttributes != earlier.extendedAttributes { changes.append(.extendedAttributes) }
        return changes
    }
}
