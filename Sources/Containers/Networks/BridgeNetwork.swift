import FoundationEssentials
import LinuxSystem
import OCI
import Storage
import SystemPackage

/// The network that the containers of one store share: a bridge of its own with NAT.
///
/// Stores do not know of each other, so each has a bridge named after its directory, and a subnet that nothing on the host used
/// when its first container started.
struct BridgeNetwork: Codable, Hashable {
    /// 10.92.0.0 to 10.95.255.255, in pieces of 4096 addresses.
    private static let pool: UInt32 = 10 << 24 | 92 << 16
    private static let pieces: UInt32 = 64
    private static let pieceBits: UInt32 = 12

    /// What the names of the bridges of all stores begin with.
    static let interfacePrefix = "slw-"

    let name: String
    let interface: String
    let id: String
    /// The network's own address.
    private(set) var base: UInt32

    /// - Parameter root: the directory of the store, which the names are made of.
    init(root: FilePath) {
        id = Digest.sha256(of: root.bytes).hex
        name = "slipway-\(id.prefix(8))"
        // An interface's name has at most 15 bytes.
        interface = Self.interfacePrefix + id.prefix(8)
        base = Self.piece(UInt32(id.prefix(4), radix: 16) ?? 0)
    }

    private var block: AddressBlock { AddressBlock(base, length: 32 - Self.pieceBits) }
    var subnet: String { "\(AddressBlock.text(base))/\(block.length)" }
    var prefixLength: Int { Int(block.length) }
    var gateway: String { AddressBlock.text(base + 1) }

    /// The addresses for containers, lowest first.
    var addresses: some Sequence<String> {
        (base + 2..<base + (1 << Self.pieceBits) - 1).lazy.map { AddressBlock.text($0) }
    }

    /// The same network on the first piece, from its own on, that no route of another interface overlaps; nil where there is none.
    func avoiding(_ routes: [HostRoute]) -> BridgeNetwork? {
        let others = routes.filter { $0.interface != interface && !$0.isDefault }
        let own = (base - Self.pool) >> Self.pieceBits
        for step in 0..<Self.pieces {
            var candidate = self
            candidate.base = Self.piece(own + step)
            if !others.contains(where: { $0.destination.overlaps(candidate.block) }) { return candidate }
        }
        return nil
    }

    private static func piece(_ number: UInt32) -> UInt32 { pool + ((number % pieces) << pieceBits) }
}

extension ContainerStore {
    private var networkFile: FilePath { store.layout.containers.appending("network.json") }

    /// The store's network: its bridge as it stands or, where there is none, one on a subnet that is free now.
    /// - Throws: `ContainerError.noSubnetLeft`.
    func bridge() async throws -> BridgeNetwork {
        let root = store.layout.containers.removingLastComponent()
        let file = networkFile
        return try await onBlockingPool {
            let kept = try Self.keptBridge(file)
            let routes = try HostRoute.all()
            if let kept, routes.contains(where: { $0.interface == kept.interface }) { return kept }
            guard let network = (kept ?? BridgeNetwork(root: root)).avoiding(routes) else {
                throw ContainerError.noSubnetLeft
            }
            if network != kept { try HostFiles.write(Array(try JSONEncoder().encode(network)), to: file) }
            return network
        }
    }

    /// The network that was last chosen; nil before the first container.
    func lastBridge() async throws -> BridgeNetwork? {
        let file = networkFile
        return try await onBlockingPool { try Self.keptBridge(file) }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func keptBridge(_ file: FilePath) throws -> BridgeNetwork? {
        do throws(SystemCallError) {
            let bytes = try OpenFile.open(file, .readOnly).readToEnd(limit: 65_536)
            // A file that a crash has cut off is made anew.
            return try? JSONDecoder().decode(BridgeNetwork.self, from: Data(bytes))
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
    }
}
