package import Testing

/// On a test or a suite: which rows of `docs/compatibility.md` it proves.
package struct CompatibilityProof: TestTrait, SuiteTrait {
    package let rows: [String]
}

extension Trait where Self == CompatibilityProof {
    /// Names rows by their first cell without its backquotes, or by enough of its beginning to mean one row.
    ///
    /// `ArchitectureTests` finds the names in the sources: they are literals.
    package static func proves(_ rows: String...) -> Self { CompatibilityProof(rows: rows) }
}
