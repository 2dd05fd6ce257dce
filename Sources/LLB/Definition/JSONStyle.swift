import FoundationEssentials
import SwiftProtobuf
import Text

/// By whose rules a message is written as JSON.
enum JSONStyle {
    /// Those of protobuf: numbers of 64 bits are texts, and so are the values of enumerations.
    case protobuf
    /// Those of Go's own encoder for the types that protobuf's compiler makes: names are those of the file, and numbers
    /// are numbers.
    case go

    func name(_ protobuf: String, _ go: String) -> String { self == .go ? go : protobuf }

    /// A number that is left out where it is 0.
    func number<Number: FixedWidthInteger>(_ value: Number) -> JSONValue? {
        if value == 0 { return nil }
        return self == .protobuf && Number.bitWidth > 32 ? .string("\(value)") : .numeral("\(value)")
    }

    /// The value of an enumeration, which is left out where it is the default.
    func value(_ value: some SwiftProtobuf.Enum, _ name: String) -> JSONValue? {
        if value.rawValue == 0 { return nil }
        return self == .go ? .number(value.rawValue) : .string(name)
    }
}

/// Members that are there only where they say something.
func members(_ pairs: (String, JSONValue?)...) -> JSONValue {
    .object(pairs.compactMap { name, value in value.map { JSONValue.Member(name, $0) } })
}

/// A map, in the order of its keys.
func object(_ pairs: [(String, JSONValue)]) -> JSONValue {
    .object(pairs.sorted { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }.map { JSONValue.Member($0, $1) })
}

// The values of fields; nil where they are the default.

func text(_ data: Data) -> JSONValue? { data.isEmpty ? nil : .string(String(decoding: data, as: UTF8.self)) }
func text(_ string: String) -> JSONValue? { string.isEmpty ? nil : .string(string) }
func base64(_ data: Data) -> JSONValue? { data.isEmpty ? nil : .bytes(Array(data)) }
/// A number of which no kind is written as text.
func plain<Number: FixedWidthInteger>(_ value: Number) -> JSONValue? { value == 0 ? nil : .numeral("\(value)") }
func flag(_ value: Bool) -> JSONValue? { value ? .bool(true) : nil }
func list<Element>(_ elements: [Element], _ json: (Element) -> JSONValue) -> JSONValue? {
    elements.isEmpty ? nil : .array(elements.map(json))
}
func texts(_ list: [Data]) -> JSONValue? {
    list.isEmpty ? nil : .array(list.map { .string(String(decoding: $0, as: UTF8.self)) })
}
