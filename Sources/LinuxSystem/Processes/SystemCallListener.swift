internal import CLinux
internal import Glibc
package import SystemPackage

/// A system call of another process, which waits until it is answered.
package struct InterceptedCall: Sendable {
    /// The kernel's number of it in this answer's turn.
    fileprivate let id: UInt64
    /// The thread that makes it.
    package let thread: Int32
    /// Of the processor's own table of calls.
    package let number: UInt32
    package let arguments: [UInt64]

    /// An argument that is a number of 32 bits, as ids and modes are.
    package func word(_ index: Int) -> UInt32 { UInt32(truncatingIfNeeded: arguments[index]) }
}

/// What becomes of an intercepted call.
package enum CallAnswer: Sendable {
    /// The kernel makes it.
    case kernel
    case value(Int64)
    case failure(Errno)
    /// A new descriptor of the caller's for the same open file.
    case file(OpenFile, closesOnExecute: Bool)
}

/// The end of a system call filter at which calls arrive that it does not decide.
///
/// See seccomp_unotify(2).
package struct SystemCallListener: Sendable {
    private let file: OpenFile

    /// - Parameter file: what the loader of the filter was given.
    package init(_ file: OpenFile) { self.file = file }

    /// Answers each call, until no process is left that could make one.
    @available(*, noasync, message: "blocks a thread; call it on a thread of its own")
    package func answer(_ body: (InterceptedCall) -> CallAnswer) throws(SystemCallError) {
        while true {
            var raw = slipway_call()
            guard try retryingSystemCall("poll", { slipway_receive_call(file.descriptor, &raw) }) == 1 else { return }
            let call = InterceptedCall(
                id: raw.id,
                thread: raw.thread,
                number: UInt32(bitPattern: raw.number),
                arguments: [
                    raw.arguments.0, raw.arguments.1, raw.arguments.2, raw.arguments.3, raw.arguments.4,
                    raw.arguments.5,
                ]
            )
            // An answer that fails is to a process that is gone.
            switch body(call) {
            case .kernel: _ = slipway_answer_call(file.descriptor, call.id, 0, 0, 1)
            case .value(let value): _ = slipway_answer_call(file.descriptor, call.id, value, 0, 0)
            case .failure(let error): _ = slipway_answer_call(file.descriptor, call.id, 0, error.rawValue, 0)
            case .file(let opened, let closes):
                if slipway_answer_call_with_file(file.descriptor, call.id, opened.descriptor, closes ? 1 : 0) != 0 {
                    _ = slipway_answer_call(file.descriptor, call.id, 0, Glibc.errno, 0)
                }
            }
        }
    }

    /// Whether the call still waits: what was read of its thread is then of no later thread with the same number.
    package func waits(_ call: InterceptedCall) -> Bool { slipway_call_waits(file.descriptor, call.id) != 0 }

    /// Reads text of the caller's up to its zero byte; nil where there is none of at most 4095 bytes.
    package func text(at address: UInt64, of call: InterceptedCall) -> [UInt8]? {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while text.count < 4096 {
            let place = address &+ UInt64(text.count)
            // Up to the end of the page: the next one may not be there.
            let size = 4096 - Int(place % 4096)
            let count = slipway_read_memory(call.thread, place, &buffer, size)
            guard count > 0 else { return nil }
            if let end = buffer[..<count].firstIndex(of: 0) {
                text += buffer[..<end]
                return text.count < 4096 && waits(call) ? text : nil
            }
            text += buffer[..<count]
        }
        return nil
    }

    /// Reads numbers of 32 bits; nil where they are not there.
    package func words(at address: UInt64, count: Int, of call: InterceptedCall) -> [UInt32]? {
        var words = [UInt32](repeating: 0, count: count)
        let size = count * MemoryLayout<UInt32>.size
        if count > 0, slipway_read_memory(call.thread, address, &words, size) != size { return nil }
        return waits(call) ? words : nil
    }

    /// Writes numbers of 32 bits.
    package func write(_ words: [UInt32], at address: UInt64, of call: InterceptedCall) -> Bool {
        words.withUnsafeBytes { write($0, at: address, of: call) }
    }

    /// Writes a file's status, as stat(2) or with `mask` as statx(2) gives it.
    package func writeStatus(
        of opened: OpenFile,
        _ status: FileStatus,
        mask: UInt32?,
        at address: UInt64,
        of call: InterceptedCall
    ) -> Bool {
        var claimed = slipway_claimed_status()
        claimed.user = status.userID
        claimed.group = status.groupID
        if status.type == .characterDevice || status.type == .blockDevice {
            claimed.type = status.type.nodeBits
            claimed.major = status.deviceMajor
            claimed.minor = status.deviceMinor
        }
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = slipway_claimed_status_bytes(opened.descriptor, &claimed, mask == nil ? 0 : 1, mask ?? 0, &buffer)
        guard count > 0 else { return false }
        return buffer.withUnsafeBytes { bytes in
            write(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: address, of: call)
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer, at address: UInt64, of call: InterceptedCall) -> Bool {
        if bytes.isEmpty { return true }
        let count = slipway_write_call_memory(
            file.descriptor,
            call.id,
            call.thread,
            address,
            bytes.baseAddress,
            bytes.count
        )
        return count == bytes.count
    }
}
