import DockerfileFrontend
import OCI
import Testing

@Suite struct `Changes made on import` {
    @Test func `instructions that configure an image change what its containers start with`() async throws {
        let defaults = try await ImageChanges.apply([
            "CMD [\"sh\"]", "ENV A=b C=$A", "EXPOSE 80", "WORKDIR /srv",
        ])
        #expect(defaults.command == ["sh"])
        #expect(defaults.exposedPorts?.keys.sorted() == ["80/tcp"])
        #expect(defaults.workingDirectory == "/srv")
        #expect(defaults.environment == ["A=b", "C="])
    }

    @Test(arguments: ["RUN true", "COPY a b", "FROM x", "NOPE", "EXPOSE x"])
    func `instructions that do more than configure are refused`(_ change: String) async {
        await #expect(throws: FrontendError.self) { try await ImageChanges.apply([change]) }
    }
}
