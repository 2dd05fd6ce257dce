package import NIOCore
internal import Synchronization

/// A channel without a socket: what one task delivers is read from it, and what is written to it another task takes.
///
/// gRPC spoken inside a call of gRPC goes through one. Neither side gets far ahead of the other: `deliver` waits while
/// much is unread, and the channel is not writable while much is untaken. Nothing is read before `activate`.
///
/// Not checked by the compiler: the pipeline and what belongs to it are used on the event loop alone, as NIO demands of a
/// channel, and the rest is behind locks.
package final class MemoryChannel<Inbound: Sendable>: Channel, ChannelCore, @unchecked Sendable {
    package let eventLoop: any EventLoop
    package let allocator = ByteBufferAllocator()
    private let inbox = Inbox<Inbound>()
    private let outbox = Outbox()
    private let closing: EventLoopPromise<Void>
    private let flags = Mutex((isActive: false, isWritable: true))
    private let gathering = Mutex(Gathering())

    // These belong to the event loop.
    package private(set) lazy var pipeline = ChannelPipeline(channel: self)
    private var unflushed: [Outbox.Part] = []
    /// Bytes that are written and not yet taken.
    private var unsent = 0
    private var wantsRead = false
    private var isClosed = false

    private struct Gathering {
        var isOn = false
        /// What has come is read when the time is up.
        var isWaiting = false

        /// Whether something that comes now is read then.
        mutating func defers() -> (deferred: Bool, schedules: Bool) {
            guard isOn else { return (false, false) }
            defer { isWaiting = true }
            return (true, !isWaiting)
        }
    }

    private static var gatheringTime: TimeAmount { .milliseconds(4) }
    private static var waterMark: ChannelOptions.Types.WriteBufferWaterMark { .init(low: 256 << 10, high: 1 << 20) }

    package init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        closing = eventLoop.makePromise()
        // Made here, for other threads read it later.
        _ = pipeline
    }

    /// Begins to read; called on the event loop, when the handlers have been added.
    package func activate() {
        eventLoop.preconditionInEventLoop()
        guard !isClosed else { return }
        pipeline.fireChannelRegistered()
        flags.withLock { $0.isActive = true }
        pipeline.fireChannelActive()
        pipeline.read()
    }

    /// Adds to what is to be read, and waits until the channel is ready for more.
    package func deliver(_ element: Inbound, size: Int) async {
        enqueue(element, size: size)
        await inbox.waitForRoom()
    }

    /// Adds to what is to be read.
    func enqueue(_ element: Inbound, size: Int) {
        let isFull = inbox.add(element, size: size)
        let (isDeferred, schedules) = gathering.withLock { $0.defers() }
        if !isDeferred || isFull {
            eventLoop.execute { self.drain() }
        } else if schedules {
            eventLoop.scheduleTask(in: Self.gatheringTime) {
                self.gathering.withLock { $0.isWaiting = false }
                self.drain()
            }
        }
    }

    /// Whether what is delivered from now on is read a few milliseconds later, together with what comes until then.
    ///
    /// For one who sends many small things and waits for no answer: each wakes several threads on its way.
    func gather(_ isOn: Bool) { gathering.withLock { $0.isOn = isOn } }

    /// Ends what is to be read: the channel closes when it has read the rest.
    package func finishDelivery() {
        inbox.finish()
        eventLoop.execute { self.drain() }
    }

    /// What has been written to the channel, in pieces; nil after its end, and where the task is cancelled.
    package func nextPiece() async -> ByteBuffer? {
        guard let piece = await outbox.take() else { return nil }
        let count = piece.readableBytes
        eventLoop.execute { self.changeUnsent(by: -count) }
        return piece
    }

    /// Closes the channel; what was written and not taken is lost.
    package func abandon() {
        outbox.abandon()
        close(promise: nil)
    }

    private func drain() {
        guard !isClosed, isActive, wantsRead else { return }
        let (elements, isFinished) = inbox.take()
        if !elements.isEmpty {
            wantsRead = false
            for element in elements { pipeline.fireChannelRead(element) }
            pipeline.fireChannelReadComplete()
            pipeline.read()
        }
        if isFinished, !isClosed { close0(error: ChannelError.eof, mode: .all, promise: nil) }
    }

    private func changeUnsent(by count: Int) {
        unsent += count
        let change = flags.withLock { flags -> Bool in
            let isWritable = flags.isWritable ? unsent <= Self.waterMark.high : unsent < Self.waterMark.low
            defer { flags.isWritable = isWritable }
            return isWritable != flags.isWritable
        }
        if change, !isClosed { pipeline.fireChannelWritabilityChanged() }
    }
}

// What `Channel` asks for.
extension MemoryChannel {
    package var closeFuture: EventLoopFuture<Void> { closing.futureResult }
    package var localAddress: SocketAddress? { nil }
    package var remoteAddress: SocketAddress? { nil }
    package var parent: (any Channel)? { nil }
    package var isWritable: Bool { flags.withLock { $0.isWritable } }
    package var isActive: Bool { flags.withLock { $0.isActive } }
    package var _channelCore: any ChannelCore { self }
    package var syncOptions: (any NIOSynchronousChannelOptions)? { MemoryChannelOptions(waterMark: Self.waterMark) }

    package func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        eventLoop.makeSucceededVoidFuture()
    }

    package func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        eventLoop.submit { try MemoryChannelOptions(waterMark: Self.waterMark).getOption(option) }
    }
}

private struct MemoryChannelOptions: NIOSynchronousChannelOptions {
    let waterMark: ChannelOptions.Types.WriteBufferWaterMark

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {}

    func getOption<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
        let value: Any? =
            switch option {
            case is ChannelOptions.Types.AutoReadOption: true
            case is ChannelOptions.Types.AllowRemoteHalfClosureOption: false
            case is ChannelOptions.Types.WriteBufferWaterMarkOption: waterMark
            default: nil
            }
        guard let value = value as? Option.Value else { throw ChannelError.operationUnsupported }
        return value
    }
}

// What `ChannelCore` asks for; all of it runs on the event loop.
extension MemoryChannel {
    package func localAddress0() throws -> SocketAddress { throw ChannelError.unknownLocalAddress }
    package func remoteAddress0() throws -> SocketAddress { throw ChannelError.unknownLocalAddress }
    package func register0(promise: EventLoopPromise<Void>?) { promise?.succeed(()) }
    package func registerAlreadyConfigured0(promise: EventLoopPromise<Void>?) { promise?.succeed(()) }
    package func channelRead0(_ data: NIOAny) {}
    package func errorCaught0(error: any Error) {}

    package func bind0(to address: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    package func connect0(to address: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    package func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    package func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isClosed else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        let bytes = unwrapData(data, as: ByteBuffer.self)
        unflushed.append((bytes, promise))
        changeUnsent(by: bytes.readableBytes)
    }

    package func flush0() {
        guard !unflushed.isEmpty else { return }
        outbox.put(unflushed)
        unflushed = []
    }

    package func read0() {
        wantsRead = true
        if inbox.hasNews { eventLoop.execute { self.drain() } }
    }

    package func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard !isClosed else {
            promise?.fail(ChannelError.alreadyClosed)
            return
        }
        isClosed = true
        flags.withLock { $0.isActive = false }
        for part in unflushed { part.promise?.fail(error) }
        unflushed = []
        inbox.close()
        outbox.finish()
        promise?.succeed(())
        pipeline.fireChannelInactive()
        pipeline.fireChannelUnregistered()
        eventLoop.execute {
            self.removeHandlers(pipeline: self.pipeline)
            self.closing.succeed(())
        }
    }
}
