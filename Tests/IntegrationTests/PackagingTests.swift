import Foundation
import Testing

/// What `make install` and `make deb` put where; in roots of their own, so that the machine stays as it is.
@Suite(.requires(.root, .program("dpkg-deb"), .program("dpkg-shlibdeps"), .program("strip"), .program("man")))
struct `Packaging` {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    private func succeed(
        _ program: String,
        _ arguments: [String],
        _ environment: [String: String] = [:]
    ) async throws -> String {
        let result = try await runProgram(program, arguments, in: Self.root, environment: environment)
        try #require(result.status == 0, "\(program) \(arguments): \(result.errorText)")
        return result.text
    }

    /// All files below a directory, relative to it.
    private func files(below directory: URL) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: directory.path).filter { path in
            let attributes = try FileManager.default.attributesOfItem(atPath: directory.appending(path: path).path)
            return attributes[.type] as? FileAttributeType != .typeDirectory
        }.sorted()
    }

    @Test func `make install puts everything below the prefix and make uninstall removes it`() async throws {
        let binary = try Slipway.binary
        let variables = ["SLIPWAY": binary]
        let place = ["PREFIX=/opt/slipway", "DESTDIR=\(scratch.url.path)"]
        _ = try await succeed("make", ["install"] + place, variables)
        let top = scratch.url.appending(path: "opt/slipway")
        let installed = try files(below: top)
        let wanted = [
            "bin/slipway", "lib/systemd/system/slipway.service", "lib/systemd/system/slipway.socket",
            "share/bash-completion/completions/slipway", "share/doc/slipway/LICENSE",
            "share/fish/vendor_completions.d/slipway.fish", "share/man/man1/slipway-build.1",
            "share/man/man1/slipway.1",
            "share/man/man5/slipway.toml.5", "share/zsh/site-functions/_slipway",
        ]
        #expect(Set(wanted).subtracting(installed).isEmpty, "\(installed)")
        #expect(try files(below: scratch.url).allSatisfy { $0.hasPrefix("opt/slipway/") })

        let version = try await succeed(top.appending(path: "bin/slipway").path, ["--version"])
        #expect(version.hasPrefix("Slipway version "))
        let unit = top.appending(path: "lib/systemd/system/slipway.service")
        #expect(try String(contentsOf: unit, encoding: .utf8).contains("ExecStart=/opt/slipway/bin/slipway daemon"))

        // Another program of the same prefix stays.
        try Data().write(to: top.appending(path: "bin/other"))
        _ = try await succeed("make", ["uninstall"] + place, variables)
        #expect(try files(below: top) == ["bin/other"])
    }

    @Test func `manual pages are formatted without a warning`() async throws {
        let pages = scratch.url.appending(path: "man")
        _ = try await succeed(try Slipway.binary, ["__docs", "man", pages.path])
        let names = try files(below: pages)
        #expect(names.count > 40)
        let paths = names.map { pages.appending(path: $0).path }
        let result = try await runProgram(
            "sh",
            ["-c", "for page; do man --warnings=w -l -Tutf8 -Z \"$page\" > /dev/null || exit 1; done", "sh"] + paths,
            environment: ["LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANROFFSEQ": ""]
        )
        #expect(result.status == 0 && result.errorText.isEmpty, "\(result.errorText)")
    }

    @Test func `the Debian package is installed and removed again in a root of its own`() async throws {
        let made = try await succeed(
            "scripts/make-deb",
            [scratch.url.path],
            ["SLIPWAY": try Slipway.binary, "DEB_COMPRESSION": "none"]
        )
        let package = made.trimmingCharacters(in: .newlines)
        let depends = try await succeed("dpkg-deb", ["--field", package, "Depends"])
        for name in ["libc6", "libsqlite3-0", "libzstd1", "crun", "conmon", "netavark"] {
            #expect(depends.contains(name), "\(depends)")
        }
        // What it depends on is what the machine of a test has installed, and nothing on it changes.
        let simulated = try await runProgram("dpkg", ["--dry-run", "--install", package])
        #expect(simulated.status == 0, "\(simulated.errorText)")

        let top = scratch.url.appending(path: "root")
        try FileManager.default.createDirectory(
            at: top.appending(path: "var/lib/dpkg/info"),
            withIntermediateDirectories: true
        )
        try FileManager.default.createDirectory(
            at: top.appending(path: "var/lib/dpkg/updates"),
            withIntermediateDirectories: true
        )
        try Data().write(to: top.appending(path: "var/lib/dpkg/status"))
        let dpkg = ["--root=\(top.path)", "--log=/dev/null", "--force-depends", "--force-script-chrootless"]
        _ = try await succeed("dpkg", dpkg + ["--install", package])
        let installed = try files(below: top.appending(path: "usr"))
        let wanted = [
            "bin/slipway", "lib/systemd/system/slipway.service", "lib/systemd/system/slipway.socket",
            "share/bash-completion/completions/slipway", "share/doc/slipway/changelog.gz",
            "share/doc/slipway/copyright", "share/fish/vendor_completions.d/slipway.fish",
            "share/man/man1/slipway-run.1.gz", "share/man/man1/slipway.1.gz", "share/man/man5/slipway.toml.5.gz",
            "share/zsh/vendor-completions/_slipway",
        ]
        #expect(Set(wanted).subtracting(installed).isEmpty, "\(installed)")
        let verified = try await runProgram("dpkg", ["--root=\(top.path)", "--verify", "slipway"])
        #expect(verified.status == 0 && verified.text.isEmpty, "\(verified.text)")
        let version = try await succeed(top.appending(path: "usr/bin/slipway").path, ["--version"])
        #expect(version.hasPrefix("Slipway version "))

        _ = try await succeed("dpkg", dpkg + ["--purge", "slipway"])
        #expect(!FileManager.default.fileExists(atPath: top.appending(path: "usr").path))
    }
}
