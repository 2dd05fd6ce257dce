internal import FuzzTargets
internal import Glibc

/// libFuzzer's entry: hands an input to the target that `SLIPWAY_FUZZ_TARGET` names.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

private let target: FuzzTarget = {
    let name = getenv("SLIPWAY_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    if let target = FuzzTarget.named(name) { return target }
    let names = FuzzTarget.all.map(\.name).joined(separator: " ")
    let text = "SLIPWAY_FUZZ_TARGET is \"\(name)\", not one of: \(names)\n"
    _ = write(STDERR_FILENO, text, text.utf8.count)
    exit(2)
}()
