package import LinuxSystem
internal import Synchronization
package import SystemPackage
internal import Tasks

/// Makes the networks of one process of Slipway.
///
/// A network reaches what the host reaches, under the host's address, and the host itself. It reaches no other network made here,
/// no address of the link alone (169.254.0.0/16, where clouds keep credentials) but name servers there, and only the host
/// reaches it. The kernel itself keeps the books: which addresses are taken is what routes there are, and everything that is made
/// (interfaces, routes, rules) goes with the process, however that ends.
///
/// Where the host's own networks are not this process's to change, the router of all networks is a namespace, which a program
/// (`UserModeNetwork`) joins with the host.
package final class SandboxNetworks: Sendable {
    /// What the names of all our interfaces on the host begin with.
    static let prefix = "slr"

    /// A network has four: its own, the gateway's, and the two that no host may have.
    private static let blockLength: UInt32 = 30

    private struct State {
        /// How many `whileInUse` there are.
        var users = 0
        var spare: PendingNetwork?
        /// Whether a router was made, or tried to be.
        var hasRouter = false
    }

    /// What processes get that do not say which network they want.
    package enum Mode: String, Sendable, CaseIterable {
        /// One of their own, or where that cannot be made the host's.
        case automatic = "auto"
        case bridge, host, none
    }

    package let mode: Mode
    /// What `/etc/resolv.conf` says in place of the host's; nil takes all of the host's.
    package let resolverLines: SandboxConfiguration.ResolverLines?
    private let name: String
    private let level: PrivilegeLevel
    private let scratch: @Sendable () throws -> FilePath
    private let state = Mutex(State())
    /// Made once; what went wrong then is told again.
    private let router = Mutex<Task<Router, any Error>?>(nil)
    /// The last one that is not needed any more: its end would make whoever drops it wait.
    private let retired = Mutex<Router?>(nil)

    /// Makes an empty directory where temporary files are.
    package static let temporaryScratch: @Sendable () throws -> FilePath = {
        try makeScratchDirectory(in: "/tmp", prefix: "slipway-")
    }

    /// - Parameters:
    ///   - name: up to six letters and digits, which tell the interfaces of one store from others.
    ///   - mode: what processes get that do not say.
    ///   - level: whose the host's networks are.
    ///   - scratch: makes empty directories.
    ///   - resolverLines: what `/etc/resolv.conf` says in place of the host's.
    package init(
        name: String,
        mode: Mode = .automatic,
        level: PrivilegeLevel = .root,
        scratch: @escaping @Sendable () throws -> FilePath = temporaryScratch,
        resolverLines: SandboxConfiguration.ResolverLines? = nil
    ) {
        self.name = name
        self.mode = mode
        self.level = level
        self.scratch = scratch
        self.resolverLines = resolverLines
    }

    /// What the names of the interfaces on the host begin with.
    package var interfacePrefix: String { Self.prefix + name }
    /// What the names of the tables of rules begin with.
    package var tablePrefix: String { PacketFilter.prefix(of: name) }

    /// What joins the networks of steps and containers with the host, as `info` shows it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func summary(at level: PrivilegeLevel) -> String {
        switch level {
        case .root: "bridges"
        case .userNamespace, .singleID: UserModeNetwork.Carrier.summary
        case .confined: "the surrounding container's"
        }
    }

    /// Keeps what networks need of the host, once one was made, for as long as `body` runs.
    /// - Parameter body: lends networks.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws.
    package func whileInUse<Value>(_ body: () async throws -> Value) async throws -> Value {
        state.withLock { $0.users += 1 }
        return try await withCleanUp(body) {
            let (spare, isLast) = state.withLock { state in
                state.users -= 1
                guard state.users == 0, state.hasRouter else { return (PendingNetwork?.none, false) }
                defer { state.spare = nil }
                return (state.spare, true)
            }
            guard isLast else { return }
            _ = await spare?.task.result
            await self.removeRouter()
        }
    }

    /// Lends a network, which is made while `body` does other things.
    ///
    /// Each is used once, so that nothing of one process is left for the next: no address that a closed connection still keeps,
    /// no count of packets. Another is made meanwhile for whoever asks next: the kernel makes one in under a millisecond, but takes
    /// several where it is clearing one away.
    /// - Parameter body: takes the network from what it is given when it needs it.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws.
    package func withNetwork<Value>(_ body: (PendingNetwork) async throws -> Value) async throws -> Value {
        let pending = state.withLock { state in
            state.hasRouter = true
            let pending = state.spare ?? makePending(after: nil)
            state.spare = makePending(after: pending)
            return pending
        }
        return try await withCleanUp {
            try await body(pending)
        } finally: {
            _ = await pending.task.result
        }
    }

    private func makePending(after other: PendingNetwork?) -> PendingNetwork {
        // Whoever takes it awaits it. One that nobody takes goes with its maker, and so does what it has not finished.
        PendingNetwork(
            task: Task {
                _ = await other?.task.result
                let router = try await self.preparedRouter()
                return try await onBlockingPool { try router.perform { try self.make(router) } }
            }
        )
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func make(_ router: Router) throws -> SandboxNetwork {
        let here = try NetworkInterfaces()
        let namespace = try NetworkNamespace()
        let cable = try unlessTaken(tries: 100) { () throws(SystemCallError) in
            let cable = interfacePrefix + String(UInt32.random(in: 0..<2_000_000_000), radix: 36)
            try here.addCable(cable, to: "eth0", in: namespace.file, packetSize: router.packetSize)
            return cable
        }
        let index = try here.index(of: cable)
        try here.bringUp(index)
        // There is one route to a block, so who adds it has the block.
        let block = try unlessTaken(tries: 1000) { () throws(SystemCallError) in
            let number = UInt32.random(in: 0..<1 << (Self.blockLength - router.range.length))
            let block = AddressBlock(router.range.base + number << (32 - Self.blockLength), length: Self.blockLength)
            try here.addRoute(to: block, through: index)
            return block
        }
        let gateway = block.base + 1
        try here.addAddress(gateway, in: AddressBlock(gateway, length: 32), to: index)
        let inside = namespace.interfaces
        let interface = try inside.index(of: "eth0")
        for device in [NetworkInterfaces.loopback, interface] { try inside.bringUp(device) }
        try inside.addAddress(block.base + 2, in: block, to: interface)
        try inside.addRoute(to: .everywhere, through: interface, gateway: gateway)
        return SandboxNetwork(
            namespace: namespace,
            host: router.host ?? AddressBlock.text(gateway),
            nameServer: router.nameServer
        )
    }

    /// Does something with another random choice until nobody has what was chosen.
    private func unlessTaken<Value>(tries: Int, _ body: () throws(SystemCallError) -> Value) throws -> Value {
        for _ in 1..<tries {
            do throws(SystemCallError) { return try body() } catch {
                if error.errno != .fileExists { throw error }
            }
        }
        return try body()
    }

    // MARK: The router

    /// The router of these networks.
    private func preparedRouter() async throws -> Router {
        let task = router.withLock { router in
            if let router { return router }
            // Awaited by all who need it, and by its removal.
            let task = Task { try await self.makeRouter() }
            router = task
            return task
        }
        return try await task.value
    }

    private func makeRouter() async throws -> Router {
        if level.ownsMachine { return try await onBlockingPool { [name] in try Router(name: name) } }
        let uplink = try await Uplink.make(in: try await onBlockingPool { [scratch] in try scratch() })
        do {
            return try await onBlockingPool { [name] in
                try uplink.namespace.perform { try Router(name: name, behind: uplink) }
            }
        } catch {
            try await uplink.end()
            throw error
        }
    }

    /// Removes it, unless somebody has come who needs it.
    private func removeRouter() async {
        let unused: Task<Router, any Error>? = router.withLock { router in
            let isUnused = state.withLock { state in
                if state.users == 0 { state.hasRouter = false }
                return state.users == 0
            }
            guard isUnused else { return nil }
            defer { router = nil }
            return router
        }
        guard case .success(let made)? = await unused?.result else { return }
        // What cannot be removed now goes with the process, or is found by the next.
        try? await made.remove()
        retired.withLock { $0 = made }
    }
}
