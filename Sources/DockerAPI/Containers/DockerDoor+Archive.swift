internal import Archive
internal import Containers
internal import LinuxSystem
internal import RPC
internal import Text

extension DockerDoor {
    private static let statusHeader = "X-Docker-Container-Path-Stat"

    private func path(_ call: DockerCall) throws(DockerAPIError) -> [UInt8] {
        let path = call.query["path"]
        if path.isEmpty { throw .invalidField("path", expected: "a path") }
        return Array(path.utf8)
    }

    /// `HEAD /containers/{id}/archive`: what is at a path, in a header.
    func pathStatus(_ call: DockerCall) async throws -> WebAnswer {
        let path = try path(call)
        let container = try await container(call)
        let copy = try await engine.containers.fileCopy()
        let status = try await engine.containers.withFiles(of: container, at: path) { end in
            try await onBlockingPool { try copy.status(of: end) }
        }
        return WebAnswer(
            status: 200,
            headers: [("Content-Type", "application/json"), (Self.statusHeader, status.document)]
        )
    }

    /// `GET /containers/{id}/archive`.
    func archive(_ call: DockerCall) async throws -> WebAnswer {
        let path = try path(call)
        let container = try await container(call)
        let containers = engine.containers
        let copy = try await containers.fileCopy()
        let status = try await containers.withFiles(of: container, at: path) { end in
            try await onBlockingPool { try copy.status(of: end) }
        }
        let header = (name: Self.statusHeader, value: status.document)
        return WebAnswer.streaming("application/x-tar", [header]) { writer in
            try await containers.withFiles(of: container, at: path) { end in
                try await writer.send { file in
                    try await onCancellablePool { try copy.cancelled(by: $0).write(end, to: FileSink(file)) }
                }
            }
            await containers.tellOfFiles(.archivePath, of: container)
        }
    }

    /// `PUT /containers/{id}/archive`.
    func extract(_ call: DockerCall) async throws -> WebAnswer {
        let path = try path(call)
        let container = try await container(call)
        let containers = engine.containers
        var copy = try await containers.fileCopy()
        if call.query.truth("copyUIDGID") { copy.owner = try Self.owner(container.configuration.user) }
        // Nothing takes the place of a directory, nor a directory that of something else, whether the client asks for that or not.
        let wanted = copy
        try await containers.withFiles(of: container, at: path, toWrite: true) { end in
            try await call.body.read { file in
                try await onCancellablePool { try wanted.cancelled(by: $0).run(from: FileSource(file), to: end) }
            }
        }
        await containers.tellOfFiles(.extractToDirectory, of: container)
        return WebAnswer(status: 200)
    }

    /// Who the copies belong to: the container's user, where it is one by number.
    private static func owner(_ user: String) throws(DockerAPIError) -> LayerExtractor.Owner? {
        if user.isEmpty { return nil }
        let parts = user.split(separator: ":").map { UInt32($0) }
        guard let first = parts.first, let number = first, parts.count < 3, !parts.contains(nil) else {
            throw .unsupportedField("copyUIDGID", reason: "the container's user has a name, not a number")
        }
        return LayerExtractor.Owner(user: number, group: parts.count > 1 ? parts[1] ?? 0 : 0)
    }
}

extension CopyStatus {
    /// In base64, as a header has it.
    fileprivate var document: String {
        let document = JSONValue.object([
            .init("name", .string(String(decoding: name, as: UTF8.self))), .init("size", .number(Int(status.size))),
            .init("mode", .number(Int(status.goMode))),
            .init("mtime", .string(status.modified.rfc3339)),
            .init("linkTarget", .string(String(decoding: linkTarget, as: UTF8.self))),
        ])
        return base64(Array(document.text().utf8))
    }
}

extension FileStatus {
    /// The mode with the bits that Go has for kinds of files.
    fileprivate var goMode: UInt32 {
        var bits = UInt32(mode & 0o777)
        switch type {
        case .directory: bits |= 1 << 31
        case .symbolicLink: bits |= 1 << 27
        case .blockDevice: bits |= 1 << 26
        case .characterDevice: bits |= 1 << 26 | 1 << 21
        case .fifo: bits |= 1 << 25
        case .socket: bits |= 1 << 24
        case .regular: break
        }
        if mode & 0o4000 != 0 { bits |= 1 << 23 }
        if mode & 0o2000 != 0 { bits |= 1 << 22 }
        if mode & 0o1000 != 0 { bits |= 1 << 20 }
        return bits
    }
}
