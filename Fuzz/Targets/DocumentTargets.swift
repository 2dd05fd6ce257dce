internal import GoTemplate
internal import Sandboxes
internal import Settings
internal import SystemPackage

extension FuzzTarget {
    static let slipwayConfiguration = FuzzTarget("slipway-toml", maximumSize: 1024) { bytes in
        _ = try SlipwayConfiguration(parsing: bytes, file: "/etc/slipway/slipway.toml")
    }

    static let deviceSpecification = FuzzTarget("device-specification", maximumSize: 1024) { bytes in
        _ = try DeviceSpecification(parsing: bytes, file: "/etc/cdi/device.yaml")
    }

    static let template = FuzzTarget("template", maximumSize: 512) { bytes in
        guard let text = String(validating: bytes, as: UTF8.self) else { return }
        let template = try Template(text)
        _ = template.fieldNames
        let record = TemplateRecord(
            name: "context",
            [
                ("Name", .text("name")), ("Size", .integer(42)), ("Names", .texts(["b", "a", ""])),
                ("Labels", .labels(["key": "value"])), ("Share", .number(0.5)), ("Used", .boolean(true)),
                ("Nothing", .null(printedAs: "<nil>")),
            ],
            methods: ["Label": { $0.first ?? "" }]
        )
        let shown = try template.render(.record(record))
        try promise(shown.utf8.count <= 64 << 20, "a short template makes a very long text")
    }
}
