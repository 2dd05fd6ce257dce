import OCI
import Testing

@testable import BuildKitService

/// The configuration of an image that a frontend gives.
@Suite struct `A frontend's image configuration` {
    private func configuration(
        _ os: String,
        _ architecture: String,
        for platform: Platform?
    ) throws -> ImageConfiguration? {
        let layers = #""rootfs":{"type":"layers","diff_ids":[]}"#
        let document = #"{"architecture":"\#(architecture)","os":"\#(os)",\#(layers)}"#
        let metadata = [FrontendResult.configurationKey: Array(document.utf8)]
        return try FrontendResult(references: .one(nil), metadata: metadata).configuration(for: "", platform)
    }

    @Test(arguments: [("", ""), ("linux", ""), ("", "arm64")])
    func `has what it lacks of the platform that the frontend names besides`(os: String, architecture: String) throws {
        let made = try configuration(os, architecture, for: Platform(parsing: "linux/arm64/v8"))
        #expect(made?.os == "linux")
        #expect(made?.architecture == "arm64")
    }

    @Test func `without a platform has this machine's, where it says nothing of it`() throws {
        let made = try configuration("", "", for: nil)
        #expect(made?.platform.normalized == Platform.current.normalized)
    }

    @Test(arguments: [("linux", ""), ("", "arm64")])
    func `is refused where half of the platform is told nowhere`(os: String, architecture: String) throws {
        #expect(
            throws: ServiceError.invalidResult("invalid image config: os and architecture must be specified together")
        ) { try configuration(os, architecture, for: nil) }
    }
}
