/// A password, token or file that must stay secret: nothing that prints a value of this type, by description or by reflection, shows
/// what it holds.
///
/// It has no coding either: code that sends or stores it calls `reveal()` or `revealBytes()`, which are easy to find.
package struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package init(_ text: String) { bytes = Array(text.utf8) }

    /// The secret itself as text, for the one place that sends or stores it.
    package func reveal() -> String { String(decoding: bytes, as: UTF8.self) }

    /// The secret itself, for the one place that hands it on.
    package func revealBytes() -> [UInt8] { bytes }

    package var isEmpty: Bool { bytes.isEmpty }
    package var description: String { "•••" }
    package var debugDescription: String { "•••" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
