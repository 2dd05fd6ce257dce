import Archive
import Attestations
import LinuxSystem
import OCI
import Snapshots
import SystemPackage
import Text

/// A file that is exported beside those of a result.
struct AddedFile: Sendable {
    let name: String
    let bytes: [UInt8]
}

extension TarWriter {
    /// Writes a file that is in no directory.
    func add(_ file: AddedFile, below directory: [UInt8], time: FileTime) throws {
        let path = (directory.isEmpty ? [] : directory + "/") + Array(file.name.utf8)
        let size = Int64(file.bytes.count)
        try begin(TarEntry(path: path, kind: .regular, mode: 0o600, size: size, modified: time))
        try write(file.bytes)
    }
}

extension Exporter {
    /// What is said of an image as files, about each file of the result by its digest.
    func attestationFiles(of image: BuiltImage, _ options: FileOptions) async throws -> [AddedFile] {
        let said = try await attestations(of: image, withInline: false, .none)
        if said.isEmpty { return [] }
        let subjects = try await snapshots.withMounted(image.tree) { root in
            try await onCancellablePool { isCancelled in try Self.subjects(in: RootedDirectory(root), isCancelled) }
        }
        let namesPlatform = outcome.isMultiPlatform && !isSplit(options)
        var files: [AddedFile] = []
        for attestation in said {
            var name = options.attestationPrefix + attestation.fileName
            if namesPlatform {
                let dot = name.lastIndex(of: ".") ?? name.endIndex
                name = "\(name[..<dot]).\(image.directory)\(name[dot...])"
            }
            guard FilePath.Component(name) != nil, !files.contains(where: { $0.name == name }) else {
                let shown = escapedForDisplay(Array(name.utf8))
                throw ExportError.attestation(reason: "duplicate attestation path name \(shown)")
            }
            let statement = attestation.statement(of: subjects)
            files.append(AddedFile(name: name, bytes: Array(statement.json.indented.utf8)))
        }
        return files
    }

    /// All regular files, in the order of their paths.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func subjects(
        in root: RootedDirectory,
        _ isCancelled: @Sendable () -> Bool
    ) throws -> [Statement.Subject] {
        let paths = try filePaths(below: root).sorted {
            $0.bytes.split(separator: "/").lexicographicallyPrecedes($1.bytes.split(separator: "/")) {
                $0.lexicographicallyPrecedes($1)
            }
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4096)
        defer { buffer.deallocate() }
        var subjects: [Statement.Subject] = []
        for path in paths where try root.status(path).type == .regular {
            let file = try root.open(path, [.readOnly, .noFollow])
            var digester = Digester()
            while true {
                if isCancelled() { throw CancellationError() }
                let count = try file.read(into: buffer)
                if count == 0 { break }
                digester.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
            let name = String(decoding: FilePath(root: nil, path.components).bytes, as: UTF8.self)
            subjects.append(Statement.Subject(name: name, digests: [digester.finalize()]))
        }
        return subjects
    }
}
