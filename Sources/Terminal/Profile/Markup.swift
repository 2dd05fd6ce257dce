internal import Text

/// HTML that is put together piece by piece.
///
/// Names of elements and attributes are the program's own. Text from elsewhere cannot become markup, and shows what would act on its
/// reader (`safeText`).
struct Markup {
    private var bytes: [UInt8] = []

    var html: String { String(decoding: bytes, as: UTF8.self) }

    /// An element with whatever `content` adds.
    mutating func element(
        _ name: StaticString,
        _ attributes: KeyValuePairs<StaticString, String> = [:],
        _ content: (inout Markup) -> Void
    ) {
        open(name, attributes)
        content(&self)
        close(name)
    }

    /// An element with text.
    mutating func element(
        _ name: StaticString,
        _ attributes: KeyValuePairs<StaticString, String> = [:],
        text: String
    ) {
        element(name, attributes) { $0.text(text) }
    }

    /// An element that has no content and no end, as `<meta>`.
    mutating func open(_ name: StaticString, _ attributes: KeyValuePairs<StaticString, String> = [:]) {
        add("<")
        add(name)
        for (name, value) in attributes {
            add(" ")
            add(name)
            add("=\"")
            text(value)
            add("\"")
        }
        add(">")
    }

    private mutating func close(_ name: StaticString) {
        add("</")
        add(name)
        add(">")
    }

    mutating func text(_ text: String) {
        for byte in safeLines(text).utf8 {
            switch byte {
            case "&": add("&amp;")
            case "<": add("&lt;")
            case ">": add("&gt;")
            case "\"": add("&quot;")
            case "'": add("&#39;")
            default: bytes.append(byte)
            }
        }
    }

    /// An element whose content is no text to HTML, as `<style>`: only the program's own fits.
    mutating func element(_ name: StaticString, verbatim content: StaticString) {
        element(name) { $0.add(content) }
    }

    /// Begins a new line of the document, which keeps its source readable.
    mutating func lineBreak() { add("\n") }

    private mutating func add(_ markup: StaticString) {
        markup.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }
}
