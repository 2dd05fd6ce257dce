internal import Glibc

/// Flags of open(2) that Glibc declares under `_GNU_SOURCE` only and Swift therefore does not import.
package let O_PATH: CInt = 0o10000000
/// A file without a name in the directory that is opened; see open(2).
package let O_TMPFILE: CInt = 0o20000000 | Glibc.O_DIRECTORY
