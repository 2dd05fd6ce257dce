internal import LinuxSystem
internal import SystemPackage
internal import Text

/// The lock beside the database that makes write transactions and checkpoints of all processes follow one another.
struct WriteLock: Sendable {
    private let database: FilePath
    private let path: FilePath
    private let timeout: Duration

    init(database: FilePath, timeout: Duration) {
        self.database = database
        path = FilePath(bytes: database.bytes + ".lock")
        self.timeout = timeout
    }

    /// Runs `body` while no other process writes.
    /// - Throws: `StorageError.databaseLocked` naming the process that has the lock, when waiting took too long.
    func withLock<Value>(_ body: () throws -> Value) throws -> Value {
        let file = try OpenFile.open(path, [.readWrite, .create], mode: 0o600)
        try wait(for: file)
        // Who has the lock, for the message of those that wait in vain; nothing else depends on it.
        var text: [UInt8] = "\(ProcessContext.processID)\n"
        text += [UInt8](repeating: " ", count: max(0, 12 - text.count))
        try file.write(text)
        return try withExtendedLifetime(file) { try body() }
    }

    /// The process that took the lock last.
    func holder() -> Int32? {
        guard let content = try? OpenFile.open(path, .readOnly).readToEnd(limit: 64) else { return nil }
        return Int32(String(decoding: content.prefix { $0 != "\n" }, as: UTF8.self))
    }

    private func wait(for file: OpenFile) throws {
        let clock = ContinuousClock()
        let start = clock.now
        var pause = Duration.microseconds(200)
        while !(try file.tryLock(.exclusive)) {
            guard clock.now - start < timeout else {
                throw StorageError.databaseLocked(
                    path: database,
                    holder: holder(),
                    seconds: Int(timeout.components.seconds)
                )
            }
            // flock(2) has no form with a time limit; the lock is held for milliseconds.
            pauseThread(for: pause)
            pause = min(pause * 2, .milliseconds(5))
        }
    }
}
