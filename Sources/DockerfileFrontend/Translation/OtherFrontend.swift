package import DockerfileSyntax
import OCI
internal import Text

/// A frontend other than this one, which is to translate a file.
package struct OtherFrontend: Error, Sendable, CustomStringConvertible {
    /// The name of its image.
    package let image: String
    /// The name, and what else stands with it.
    package let commandLine: String
    /// What the user is told where no image can be run as a frontend.
    package let refusal: FrontendError

    package var description: String { "\(refusal)" }
}

/// Finds the frontend that a Dockerfile or the request names with `# syntax` where it is not docker's, which this one
/// stands in for.
///
/// Other languages are not read as Dockerfiles: call it before the file is parsed.
/// - Parameters:
///   - source: the file.
///   - argument: the frontend that the request names instead, `BUILDKIT_SYNTAX`.
/// - Returns: the other frontend; nil for this one.
package func otherFrontend(of source: SourceText, _ argument: [UInt8]?) -> OtherFrontend? {
    let directive = Directive.syntax(of: source.bytes)
    guard let value = argument ?? directive?.commandLine else { return nil }
    let name = value.prefix { $0 != 0x20 }.displayText
    let known = ["docker/dockerfile", "docker/dockerfile-upstream"]
    if name == "dockerfile.v0" || name.isEmpty { return nil }
    if let reference = try? ImageReference(parsing: name), known.contains(reference.path) { return nil }
    let lines = argument == nil ? directive.map { $0.line...$0.line } : nil
    let refusal = FrontendError(
        .unsupported("the Dockerfile frontend \(name)"),
        at: lines.map { [source.range(ofLines: $0)] } ?? [],
        in: source
    )
    return OtherFrontend(image: name, commandLine: String(decoding: value, as: UTF8.self), refusal: refusal)
}
