import LinuxSystem
import Testing

@Suite struct `Routes and addresses` {
    @Test func `blocks overlap where one is in the other`() {
        let ten = AddressBlock(10 << 24, length: 8)
        let part = AddressBlock(10 << 24 | 96 << 16, length: 14)
        #expect(ten.overlaps(part) && part.overlaps(ten) && part.overlaps(part))
        #expect(!part.overlaps(AddressBlock(10 << 24 | 92 << 16, length: 14)))
        #expect(AddressBlock.everywhere.overlaps(part) && part.overlaps(.everywhere))
    }

    @Test func `addresses are written with dots`() {
        #expect(AddressBlock.text(10 << 24 | 96 << 16 | 255) == "10.96.0.255")
        #expect(AddressBlock.text(.max) == "255.255.255.255")
    }

    @Test func `routes are read as the kernel of a machine with the low byte first prints them`() throws {
        let local = try #require(HostRoute(line: "docker0 00005C0A 0 0 0 0 0 0000FEFF 0 0 0"))
        #expect(local.interface == "docker0" && !local.isDefault)
        #expect(local.destination == AddressBlock(10 << 24 | 92 << 16, length: 15))
        #expect(HostRoute(line: "eth0 00000000 0100000A 3 0 0 0 00000000 0 0 0")?.isDefault == true)
        #expect(
            HostRoute(line: "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT") == nil
        )
    }
}
