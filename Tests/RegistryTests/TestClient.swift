import Fakes
import HTTP
import Logging
import OCI
import Registry
import Settings

/// A client for servers that speak plain HTTP on loopback ports.
func makeClient(
    _ hosts: String...,
    credentials: [String: Credential] = [:],
    source: (any CredentialSource)? = nil,
    clock: PatientClock = PatientClock(),
    idle: Duration = .seconds(600),
    attempts: Int = RetryPolicy().maximumAttempts,
    adjust: (inout SlipwayConfiguration) -> Void = { _ in }
) -> RegistryClient {
    var tables = SlipwayConfiguration()
    for host in hosts { tables.registries[host, default: .init()].http = true }
    adjust(&tables)
    var configuration = RegistryClient.Configuration(
        endpoints: EndpointResolver(tables),
        credentials: source ?? GivenCredentials(credentials)
    )
    configuration.timekeeper = clock.timekeeper
    configuration.patience.idle = idle
    configuration.patience.commit = min(configuration.patience.commit, idle)
    configuration.retries.maximumAttempts = attempts
    return RegistryClient(configuration, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
}

func reference(_ text: String) throws -> ImageReference { try ImageReference(parsing: text) }

/// A manifest of an image without layers.
let emptyManifest: [UInt8] = Array(
    """
    {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":\
    "application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",\
    "size":2},"layers":[]}
    """.utf8
)

let manifestAnswer = ServerAnswer(
    headers: [("Content-Type", MediaType.ociManifest.rawValue)],
    body: emptyManifest
)

func descriptor(of bytes: [UInt8]) -> Descriptor {
    Descriptor(mediaType: .ociLayer, digest: .sha256(of: bytes), size: Int64(bytes.count))
}
