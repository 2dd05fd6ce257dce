internal import Sandboxes
internal import SystemPackage

extension FuzzTarget {
    static let deviceSpecification = FuzzTarget("device-specification", maximumSize: 1024) { bytes in
        _ = try DeviceSpecification(parsing: bytes, file: "/etc/cdi/device.yaml")
    }
}
