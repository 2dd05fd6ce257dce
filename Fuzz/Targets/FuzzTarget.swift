/// A function that must bear any bytes: it may refuse them with an error, and never traps, hangs or takes all memory.
///
/// Besides that, each checks what must hold for whatever is accepted: a value that is written out and read again is the same.
package struct FuzzTarget: Sendable {
    package let name: String
    /// The longest input worth trying.
    package let maximumSize: Int
    package let run: @Sendable ([UInt8]) -> Void

    init(_ name: String, maximumSize: Int = 4096, _ body: @escaping @Sendable ([UInt8]) throws -> Void) {
        self.name = name
        self.maximumSize = maximumSize
        run = { bytes in
            do {
                try body(bytes)
            } catch let broken as BrokenPromise {
                preconditionFailure("\(name): \(broken.text)")
            } catch {
                // To be refused is what most inputs deserve. The message must be printable, too.
                _ = "\(error)".utf8.count
            }
        }
    }

    package static let all: [FuzzTarget] = [
        .dockerfile, .frontend, .ignoreFile, .wordExpansion,
        .tar, .paxHeader, .gzip, .zstd, .xz, .bzip2,
        .manifest, .index, .configuration, .imageReference, .platform,
        .llb, .template, .slipwayConfiguration, .deviceSpecification,
    ]

    package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// Something that must hold for accepted input does not.
struct BrokenPromise: Error {
    let text: String
}

func promise(_ holds: Bool, _ text: @autoclosure () -> String) throws {
    if !holds { throw BrokenPromise(text: text()) }
}
