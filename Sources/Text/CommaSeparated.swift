/// Why a line is no list of comma-separated values.
package enum CommaSeparatedError: Error, Hashable {
    /// A quoted field goes on after its closing quote.
    case textAfterQuote
    /// A quote within a field that does not begin with one.
    case bareQuote
    /// A quoted field without an end.
    case openQuote
}

/// Splits a line of comma-separated values; a field in double quotes may hold commas, and `""` for a quote.
package func commaSeparatedFields(_ line: [UInt8]) throws(CommaSeparatedError) -> [[UInt8]] {
    var fields: [[UInt8]] = []
    var field: [UInt8] = []
    var position = 0
    let quote: UInt8 = "\""
    let comma: UInt8 = ","
    guard !line.isEmpty else { return [] }
    while true {
        if position < line.count, line[position] == quote {
            position += 1
            while true {
                guard position < line.count else { throw .openQuote }
                let byte = line[position]
                position += 1
                if byte != quote {
                    field.append(byte)
                } else if position < line.count, line[position] == quote {
                    field.append(quote)
                    position += 1
                } else {
                    break
                }
            }
            guard position == line.count || line[position] == comma else { throw .textAfterQuote }
        } else {
            while position < line.count, line[position] != comma {
                guard line[position] != quote else { throw .bareQuote }
                field.append(line[position])
                position += 1
            }
        }
        fields.append(field)
        field = []
        guard position < line.count else { return fields }
        position += 1
    }
}
