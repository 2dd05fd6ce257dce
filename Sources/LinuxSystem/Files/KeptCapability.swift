/// The capabilities of a program where the kernel refuses to give a file any.
///
/// An ordinary user without a namespace may not set `security.capability`. Its value is then kept in `user.slipway.capability`.
/// See capabilities(7) and `KeptStatus`.
enum KeptCapability {
    static let attribute: [UInt8] = KeptStatus.prefix + "capability".utf8
    static let realAttribute: [UInt8] = Array("security.capability".utf8)

    /// What root of the machine would read of a file that it gave this value; nil for one that the kernel refuses.
    ///
    /// Version 3 names the user namespace whose root it is for: the machine's own is version 2.
    static func shown(_ value: [UInt8]) -> [UInt8]? {
        let version = value.count < 4 ? 0 : value[3]
        switch (version, value.count) {
        case (2, 20): return value
        case (3, 24):
            guard value[20...].allSatisfy({ $0 == 0 }) else { return value }
            return value[..<3] + [2] + value[4..<20]
        default: return nil
        }
    }
}
