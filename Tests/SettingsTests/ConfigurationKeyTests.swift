import Settings
import SystemPackage
import Testing

@testable import Settings

@Suite struct `Keys of slipway.toml` {
    @Test(arguments: SlipwayConfiguration.tables.map(\.header))
    func `are all accepted by the program`(header: String) throws {
        let table = try #require(SlipwayConfiguration.tables.first { $0.header == header })
        let lines = table.keys.filter { $0.kind != .tables }.map { key in
            let value =
                switch key.kind {
                case .truth: "true"
                case .text: "\"auto\""
                case .texts: key.name == "nameservers" ? "[\"10.0.0.1\"]" : "[\"example\"]"
                case .count: "7"
                case .size: "\"10GB\""
                case .duration: "\"48h\""
                case .tables: "[]"
                }
            return "\(key.name) = \(value)"
        }
        let text = header.replacing("HOST", with: "example.com") + "\n" + lines.joined(separator: "\n")
        _ = try SlipwayConfiguration(parsing: Array(text.utf8), file: "/etc/slipway/slipway.toml")
        let more = text + "\nunheardOf = 1\n"
        #expect(throws: SettingsError.self) {
            _ = try SlipwayConfiguration(parsing: Array(more.utf8), file: "/etc/slipway/slipway.toml")
        }
    }

    @Test func `have examples that the program reads`() throws {
        for table in SlipwayConfiguration.tables {
            let configuration = try SlipwayConfiguration(parsing: Array(table.example.utf8), file: "/etc/slipway.toml")
            #expect(configuration != SlipwayConfiguration(), "\(table.header) says nothing")
        }
    }
}
