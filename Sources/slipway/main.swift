import CommandLine
import LinuxSystem
internal import Terminal

switch SlipwayProgram.start(ProcessContext.arguments) {
case .finished(let status): ProcessContext.exit(status.rawValue)
case .running(let session): ProcessContext.exit(await session.run().rawValue)
}
