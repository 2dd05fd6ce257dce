import Foundation
import FuzzTargets
import Testing

/// The seeds of the fuzz targets, and inputs that once broke one, without libFuzzer.
@Suite struct `Fuzz targets` {
    private static let corpora = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fuzz/Corpora")

    @Test(arguments: FuzzTarget.all.map(\.name))
    func `survive their corpus`(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let directory = Self.corpora.appending(path: name)
        let files = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
        #expect(!files.isEmpty)
        for file in files {
            let bytes = [UInt8](try Data(contentsOf: file))
            #expect(bytes.count <= target.maximumSize, "\(file.lastPathComponent) is longer than what is tried")
            target.run(bytes)
            // Cut and damaged, as a first round of what libFuzzer does.
            for length in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 32)) {
                target.run(Array(bytes[..<length]))
                var damaged = bytes
                damaged[length] ^= 0x80
                target.run(damaged)
                damaged[length] = UInt8(truncatingIfNeeded: length)
                target.run(damaged)
            }
        }
    }

    @Test func `are those that have a corpus`() throws {
        let directories = try FileManager.default.contentsOfDirectory(atPath: Self.corpora.path)
        #expect(Set(directories) == Set(FuzzTarget.all.map(\.name)))
    }
}
