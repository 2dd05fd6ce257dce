import FuzzTargets
import Glibc

/// What libFuzzer's own main function would call; SwiftPM's entry point replaces that.
@_silgen_name("LLVMFuzzerRunDriver")
func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// The target that `SLIPWAY_FUZZ_TARGET` names.
private let target: FuzzTarget = {
    let name = getenv("SLIPWAY_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    if let target = FuzzTarget.named(name) { return target }
    let names = FuzzTarget.all.map(\.name).joined(separator: " ")
    let text = "SLIPWAY_FUZZ_TARGET is \"\(name)\", not one of: \(names)\n"
    _ = write(STDERR_FILENO, text, text.utf8.count)
    exit(2)
}()

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

private var count = CommandLine.argc
private var arguments = CommandLine.unsafeArgv
exit(runFuzzer(&count, &arguments, testOneInput))
