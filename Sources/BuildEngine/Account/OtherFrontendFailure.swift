package import DockerfileFrontend
import LinuxSystem

/// Why an image that is a frontend gave nothing, told at the line of the Dockerfile that names the image.
package struct OtherFrontendFailure: CausedError, CustomStringConvertible {
    package let frontend: OtherFrontend
    package let underlying: any Error

    package init(_ frontend: OtherFrontend, _ underlying: any Error) {
        self.frontend = frontend
        self.underlying = underlying
    }

    package var cause: (any Error)? { underlying }
    /// Without the lines, which are those of the frontend's refusal.
    package var description: String { "\(underlying)" }
}
