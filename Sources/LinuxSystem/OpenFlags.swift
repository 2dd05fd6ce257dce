/// Flags of open(2) that Glibc declares under `_GNU_SOURCE` only and Swift therefore does not import.
package let O_PATH: CInt = 0o10000000
