import CommandLine
import Glibc
import LinuxSystem
internal import Terminal

switch SlipwayProgram.start(ProcessContext.arguments) {
case .finished(let status): exit(status.rawValue)
case .running(let session): exit(await session.run().rawValue)
}
