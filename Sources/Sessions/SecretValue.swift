/// The bytes of a secret: nothing that prints a value of this type, by description or by reflection, shows what it holds.
///
/// It has no coding either: whoever uses the bytes calls `reveal()`, which is easy to find.
package struct SecretValue: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable
{
    private let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The secret itself, for the one place that hands it to a step.
    package func reveal() -> [UInt8] { bytes }

    package var description: String { "•••" }
    package var debugDescription: String { "•••" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
