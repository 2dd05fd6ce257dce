import Foundation
import LinuxSystem
import SystemPackage

@testable import Operations

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// A directory for one test, removed when the test lets go of it.
final class Scratch: Sendable {
    let path: FilePath

    init() throws {
        let parent = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        path = FilePath("\(parent)/slipway-operations-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path.string) }

    /// Makes the directory below the scratch and fills it: a value that is nil makes a directory.
    func tree(_ name: String, _ files: [String: String?] = [:]) throws -> FilePath {
        let root = path.appending(name)
        try FileManager.default.createDirectory(atPath: root.string, withIntermediateDirectories: true)
        for (file, content) in files.sorted(by: { $0.key < $1.key }) {
            let target = "\(root)/\(file)"
            if let content {
                let parent = (target as NSString).deletingLastPathComponent
                try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
                try Data(content.utf8).write(to: URL(filePath: target))
            } else {
                try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
            }
        }
        return root
    }

    /// Everything below a directory, a line each: the path, and for files their content, for links their target.
    func listing(_ root: FilePath) throws -> [String] {
        let names = FileManager.default.enumerator(atPath: root.string)?.allObjects as? [String] ?? []
        return try names.sorted().map { name in
            let path = "\(root)/\(name)"
            let type = try FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType
            switch type {
            case .typeDirectory: return "\(name)/"
            case .typeSymbolicLink:
                return "\(name) -> \(try FileManager.default.destinationOfSymbolicLink(atPath: path))"
            case .typeRegular:
                return "\(name)=\(String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self))"
            default: return "\(name) special"
            }
        }
    }

    func time(_ path: FilePath) throws -> Date? {
        try FileManager.default.attributesOfItem(atPath: path.string)[.modificationDate] as? Date
    }

    func setTime(_ path: FilePath, _ time: Date) throws {
        try FileManager.default.setAttributes([.modificationDate: time], ofItemAtPath: path.string)
    }

    func mode(_ path: FilePath) throws -> Int {
        try FileManager.default.attributesOfItem(atPath: path.string)[.posixPermissions] as? Int ?? -1
    }
}
