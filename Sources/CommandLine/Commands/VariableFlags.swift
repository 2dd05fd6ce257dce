internal import LinuxSystem
internal import Terminal
internal import Text

extension Flag {
    /// `--env`.
    static func variables(_ path: Path<[[UInt8]]>) -> Flag {
        .values("env", short: "e", path, placeholder: "list", help: "Set environment variables") {
            bytes throws(FlagValueError) in
            // A name must stand before the equal sign, and something must stand there at all.
            guard let first = bytes.first, first != "=" else {
                throw FlagValueError("invalid environment variable: \(String(decoding: bytes, as: UTF8.self))")
            }
            return [bytes]
        }
    }

    /// `--env-file`.
    static func variableFiles(_ path: Path<[[UInt8]]>) -> Flag {
        .list("env-file", path, completion: .files, help: "Read in a file of environment variables")
    }
}

extension SlipwayEnvironment {
    /// The variables of a container's process: the lines of files and what was given, in this order, for later ones win.
    ///
    /// A name alone takes the value that it has here, if it has one.
    func containerVariables(files: [[UInt8]], given: [[UInt8]]) async throws -> [String] {
        var lines: [[UInt8]] = []
        for file in files {
            let path = path(file)
            let content = try await onBlockingPool { try OpenFile.open(path, .readOnly).readToEnd(limit: 1 << 20) }
            do throws(EnvironmentFileError) {
                lines += try EnvironmentFile.variables(content)
            } catch {
                throw ContainerCommandError.environmentFile(path, error)
            }
        }
        return try (lines + given).compactMap { line in
            if line.contains("=") { return try FlagValues.text(line) }
            return try variables[line].map { try FlagValues.text(line + "=" + $0) }
        }
    }
}
