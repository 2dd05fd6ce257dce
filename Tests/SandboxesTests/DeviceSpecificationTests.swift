import LinuxSystem
import Proofs
import Sandboxes
import SystemPackage
import Testing

@Suite struct `Device specifications` {
    private func parse(_ text: String) throws -> DeviceSpecification {
        try DeviceSpecification(parsing: Array(text.utf8), file: "/etc/cdi/a.yaml")
    }

    @Test(.proves("RUN --device")) func `are read alike in JSON and YAML`() throws {
        let json = try parse(
            """
            {
            \t"cdiVersion": "0.7.0", "kind": "vendor.com/gpu",
            \t"devices": [{"name": "a", "annotations": {"k": "v"}, "containerEdits": {
            \t\t"deviceNodes": [{"path": "/dev/a", "type": "b", "major": 8, "minor": 1, "fileMode": 432}],
            \t\t"additionalGids": [0, 44]}}]
            }
            """
        )
        let yaml = try parse(
            """
            # made by hand
            cdiVersion: v0.7.0
            kind: "vendor.com/gpu"
            devices:
              - name: a
                annotations: {k: v}
                containerEdits:
                  deviceNodes:
                    - path: /dev/a
                      type: b
                      major: 8
                      minor: 1
                      fileMode: 0660
                  additionalGids: [0, 44]
            """
        )
        #expect(json == yaml)
        let node = try #require(json.devices.first?.edits.nodes.first)
        #expect(node.kind == .block && node.major == 8 && node.minor == 1 && node.mode == 0o660)
        #expect(node.hostPath == "/dev/a" && node.access == .all)
        #expect(json.devices.first?.edits.additionalGroups == [44])
    }

    @Test(
        .proves("RUN --device"),
        arguments: [
            ("", "it is empty"),
            ("a: [", "a.yaml:2: it is neither JSON nor YAML"),
            (
                "cdiVersion: 9.0.0\nkind: a.b/c\n",
                "a.yaml:1: cdiVersion: \"9.0.0\" is not a version from 0.3.0 to 1.1.0"
            ),
            ("cdiVersion: 0.6.0\nkind: c\n", "a.yaml:2: kind: \"c\" is not of the form vendor.com/class"),
            ("cdiVersion: 0.6.0\nkind: a/b\n", "devices: there are none"),
            ("cdiVersion: 0.6.0\nkind: a/b\nmore: 1\n", "a.yaml:3: unknown field \"more\""),
            (
                "cdiVersion: 0.6.0\nkind: a/b\ndevices:\n- name: -x\n",
                "a.yaml:4: name: \"-x\" is not a device name"
            ),
            ("cdiVersion: 0.6.0\nkind: a/b\ndevices:\n- name: x\n", "containerEdits: the device \"x\" has none"),
            (
                "cdiVersion: 0.6.0\nkind: a/b\ndevices:\n- name: x\n  containerEdits:\n    env:\n    - =y\n",
                "env: \"=y\" is not of the form NAME=value"
            ),
            (
                "cdiVersion: 0.6.0\nkind: a/b\ndevices:\n- name: x\n  containerEdits:\n    deviceNodes:\n    - path: dev\n",
                "a.yaml:7: path: \"dev\" does not begin with a slash"
            ),
            (
                "cdiVersion: 1.1.0\nkind: a/b\ndevices:\n- name: x\n  containerEdits:\n    netDevices: []\n",
                "netDevices: this version of Slipway does not support it"
            ),
        ]
    )
    func `say what is wrong, and where`(text: String, reason: String) {
        let error = #expect(throws: DeviceError.self) { try parse(text) }
        #expect(error?.description.hasSuffix(reason) == true, "\(error?.description ?? "")")
    }
}
