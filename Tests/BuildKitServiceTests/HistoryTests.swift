import BuildCache
import BuildGraph
import BuildKitProto
import Foundation
import Images
import LinuxSystem
import OCI
import Snapshots
import Storage
import SwiftProtobuf
import SystemPackage
import Testing

@testable import BuildKitService

/// Lends a store, which is removed when the test is over.
func withStore(_ body: (Store) async throws -> Void) async throws {
    let root = FilePath("/tmp/slipway-history-\(UUID().uuidString)")
    let tables = StoreTables([LayerTable.self, ImageTable.self, CacheTable.self])
    let store = try await Store.open(at: root, tables: tables)
    let result: Result<Void, any Error>
    do { result = .success(try await body(store)) } catch { result = .failure(error) }
    await store.close()
    try await onBlockingPool { try removeTree(root) }
    try result.get()
}

private func record(_ change: (inout Moby_Buildkit_V1_BuildHistoryRecord) -> Void)
    -> Moby_Buildkit_V1_BuildHistoryRecord
{
    var record = Moby_Buildkit_V1_BuildHistoryRecord()
    change(&record)
    return record
}

/// Which builds a client is told of.
@Suite struct `A filter of the history` {
    private let now = FileTime(seconds: 1_000_000)

    /// A build that failed after a minute, an hour ago; one that ended after ten minutes, and one that runs.
    private var records: [Moby_Buildkit_V1_BuildHistoryRecord] {
        [
            record {
                $0.ref = "foo123"
                $0.createdAt.seconds = 996_400
                $0.completedAt.seconds = 996_460
                $0.error.message = "process failed"
            },
            record {
                $0.ref = "foo789"
                $0.createdAt.seconds = 999_000
                $0.completedAt.seconds = 999_600
                $0.frontendAttrs["vcs:source"] = "testrepo"
            },
            record {
                $0.ref = "bar456"
                $0.createdAt.seconds = 999_990
                $0.frontendAttrs["context"] = "https://example.com/user/repo.git#main"
            },
        ]
    }

    @Test(
        arguments: [
            ("ref==foo", []), ("ref~=^foo", ["foo123", "foo789"]), ("ref!=foo123", ["foo789", "bar456"]),
            ("status==error", ["foo123"]), ("status==completed", ["foo789"]), ("status==running", ["bar456"]),
            ("repository==testrepo", ["foo789"]), ("repository==https://example.com/user/repo.git", ["bar456"]),
            ("repository", ["foo789", "bar456"]), ("repository!=testrepo,ref~=foo", ["foo123"]),
            (#""ref==""foo123""""#, ["foo123"]), ("duration>5m", ["foo789"]), ("duration<=1m", ["foo123", "bar456"]),
            ("startedAt>30m", ["foo789", "bar456"]), ("startedAt<30m", ["foo123"]),
            ("completedAt>=1970-01-12T13:40:00Z", ["foo789"]), ("", ["foo123", "foo789", "bar456"]),
        ]
    )
    func `lets through what its conditions say`(text: String, refs: [String]) throws {
        let filter = try HistoryFilter(parsing: text, now: now)
        #expect(records.filter { filter.matches($0) }.map(\.ref) == refs)
    }

    @Test(arguments: ["ref+foo", "duration>long", "startedAt<soon", "ref~=(", "ref>1m", "==x", "\"ref"])
    func `that cannot be read is refused`(text: String) {
        #expect(throws: ServiceError.self) { try HistoryFilter(parsing: text, now: now) }
    }
}

/// What is kept of what a build told.
@Suite struct `The log of a build` {
    private let vertex = Digest.sha256(of: Array("step".utf8))

    private var events: [ProgressEvent] {
        var running = VertexProgress(digest: vertex, name: "RUN true", started: Timestamp(nanoseconds: 1))
        let started = ProgressEvent.vertex(running)
        running.completed = Timestamp(nanoseconds: 5_000_000_001)
        let cached = VertexProgress(
            digest: Digest.sha256(of: Array("other".utf8)),
            name: "COPY",
            started: Timestamp(nanoseconds: 2),
            completed: Timestamp(nanoseconds: 2),
            cached: true
        )
        let text = Array(repeating: UInt8(ascii: "x"), count: 100_000)
        let log = VertexLog(vertex: vertex, stream: .output, data: text, timestamp: Timestamp(nanoseconds: 3))
        return [
            started, .log(log), .vertex(cached), .warning(VertexWarning(vertex: vertex, short: "odd")),
            .vertex(running),
            .vertex(VertexProgress(digest: Digest.sha256(of: Array("third".utf8)), name: "never began")),
        ]
    }

    @Test func `is read again as it was told, in whatever pieces`() async throws {
        try await withStore { store in
            try await store.withLease { lease in
                let progress = JobProgress()
                let channel = ProgressChannel()
                for event in events { channel.post(event) }
                channel.finish()
                async let kept = BuildLog.keep(progress, in: store, lease)
                await progress.relay(channel)
                let log = try await kept
                #expect(log.steps.total == 3)
                #expect(log.steps.completed == 2)
                #expect(log.steps.cached == 1)
                #expect(log.steps.warnings == 1)
                let bytes = try await store.blobs.read(log.descriptor.digest)
                #expect(Int64(bytes.count) == log.descriptor.size)
                for size in [1, 7, 65536, bytes.count] {
                    var parser = BuildLogParser()
                    var messages: [Moby_Buildkit_V1_StatusResponse] = []
                    for start in stride(from: 0, to: bytes.count, by: size) {
                        messages += try parser.parse(Array(bytes[start..<min(start + size, bytes.count)]))
                    }
                    #expect(messages == events.map { Moby_Buildkit_V1_StatusResponse([$0]) })
                    #expect(parser.isAtEnd)
                }
            }
        }
    }

    @Test func `that promises a huge message is refused before it is read`() {
        var parser = BuildLogParser()
        #expect(throws: ServiceError.invalidLog) { try parser.parse([0xff, 0xff, 0xff, 0x7f]) }
    }
}

/// The times of a build for tools of OpenTelemetry.
@Suite struct `The trace of a build` {
    private struct Span: Decodable {
        struct Context: Decodable {
            let TraceID: String
            let SpanID: String
        }
        struct State: Decodable { let Code: String }

        let Name: String
        let SpanContext: Context
        let Parent: Context
        let StartTime: String
        let EndTime: String
        let Status: State
    }

    private func spans(parent: String?) throws -> [Span] {
        let step = VertexProgress(
            digest: Digest.sha256(of: Array("step".utf8)),
            name: "RUN false",
            started: Timestamp(nanoseconds: 1_000_000_001),
            completed: Timestamp(nanoseconds: 2_500_000_000),
            error: "exit code: 1"
        )
        let bytes = BuildTrace(parent: parent).document(
            [step],
            from: Timestamp(nanoseconds: 1_000_000_000),
            to: Timestamp(nanoseconds: 3_000_000_000),
            error: nil
        )
        return try String(decoding: bytes, as: UTF8.self).components(separatedBy: "\n}\n").dropLast().map {
            try JSONDecoder().decode(Span.self, from: Data(($0 + "\n}").utf8))
        }
    }

    @Test func `goes on with that of the client`() throws {
        let (trace, caller) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
        let spans = try spans(parent: "00-\(trace)-\(caller)-01")
        #expect(spans.map(\.SpanContext.TraceID) == [trace, trace])
        #expect(spans.map(\.Parent.SpanID) == [caller, spans[0].SpanContext.SpanID])
        #expect(spans.map(\.Name) == ["moby.buildkit.v1.Control/Solve", "RUN false"])
        #expect(spans.map(\.Status.Code) == ["Unset", "Error"])
        #expect(spans[1].StartTime == "1970-01-01T00:00:01.000000001Z")
        #expect(spans[1].EndTime == "1970-01-01T00:00:02.5Z")
    }

    @Test(arguments: [nil, "", "00-abc-def-01", "00-\(String(repeating: "0", count: 32))-b7ad6b7169203331-01"])
    func `begins anew for a client without one`(parent: String?) throws {
        let spans = try spans(parent: parent)
        #expect(spans[0].Parent.SpanID == String(repeating: "0", count: 16))
        #expect(spans[0].SpanContext.TraceID != String(repeating: "0", count: 32))
        #expect(Set(spans.map(\.SpanContext.TraceID)).count == 1)
    }
}
