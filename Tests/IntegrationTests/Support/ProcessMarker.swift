import Foundation
import LinuxSystem
import Sandboxes
import Storage
import SystemPackage
import Testing

/// A variable in the environment of every process that a test starts, directly or not, by which they are found again.
struct ProcessMarker: Sendable {
    let name = "SLIPWAY_TEST_MARKER"
    let value = UUID().uuidString

    var environment: [String: String] { [name: value] }

    /// The command lines of living processes that have the marker.
    func processes() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { entry in
            guard Int(entry) != nil, let environment = FileManager.default.contents(atPath: "/proc/\(entry)/environ"),
                String(decoding: environment, as: UTF8.self).contains("\(name)=\(value)")
            else { return nil }
            let line = FileManager.default.contents(atPath: "/proc/\(entry)/cmdline") ?? Data()
            return String(decoding: line.map { $0 == 0 ? 0x20 : $0 }, as: UTF8.self)
        }
    }

    /// Waits until all are gone.
    func waitForEnd(_ comment: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        for _ in 0..<600 {
            if try processes().isEmpty { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        Issue.record("\(comment): still there: \(try processes())", sourceLocation: sourceLocation)
    }
}

/// What must hold of a store after anything went wrong in a command that used it: nothing is left of the command.
func expectNothingLeft(
    of slipway: Slipway,
    _ marker: ProcessMarker,
    _ comment: String,
    sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let check = try await slipway("system", "check")
    #expect(check.status == 0, "\(comment): \(check.text) \(check.errorText)", sourceLocation: sourceLocation)
    try await marker.waitForEnd(comment, sourceLocation: sourceLocation)
    for directory in ["tmp", "run", "mounts"] {
        let left = try FileManager.default.contentsOfDirectory(atPath: slipway.root + "/" + directory)
        #expect(left.isEmpty, "\(comment): \(directory) holds \(left)", sourceLocation: sourceLocation)
    }
    let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)
    #expect(!mounts.contains(slipway.root + "/"), "\(comment): \(mounts)", sourceLocation: sourceLocation)
    // The kernel clears namespaces away in its own time.
    for _ in 0..<200 {
        if try await networks(of: slipway).isEmpty { return }
        try await Task.sleep(for: .milliseconds(50))
    }
    let left = try await networks(of: slipway)
    #expect(left.isEmpty, "\(comment): \(left)", sourceLocation: sourceLocation)
}

/// The interfaces and tables of rules on this host that the steps of a store have.
func networks(of slipway: Slipway) async throws -> [String] {
    let names = SandboxNetworks(name: StoreLayout(root: FilePath(slipway.root)).tag)
    return try await onBlockingPool {
        try NetworkInterfaces().names().filter { $0.hasPrefix(names.interfacePrefix) }
            + PacketFilter.tables().filter { $0.hasPrefix(names.tablePrefix) }
    }
}
