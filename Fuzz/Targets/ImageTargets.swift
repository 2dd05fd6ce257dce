internal import LLB
internal import OCI

extension FuzzTarget {
    static let manifest = FuzzTarget("manifest") { bytes in
        for type in [MediaType.ociManifest, .dockerManifest] {
            guard let manifest = try? Manifest(parsing: bytes, declaredAs: type) else { continue }
            try promise(manifest.layers.allSatisfy { $0.size >= 0 }, "a layer of negative size")
            _ = try StrictJSON.encode(manifest)
        }
    }

    static let index = FuzzTarget("index") { bytes in
        for type in [MediaType.ociIndex, .dockerList] { _ = try? Index(parsing: bytes, declaredAs: type) }
    }

    static let configuration = FuzzTarget("configuration") { bytes in
        let configuration = try ImageConfiguration(parsing: bytes)
        let again = try ImageConfiguration(parsing: try StrictJSON.encode(configuration))
        try promise(again == configuration, "written and read again it is another")
    }

    static let imageReference = FuzzTarget("image-reference", maximumSize: 512) { bytes in
        guard let text = String(validating: bytes, as: UTF8.self) else { return }
        let reference = try ImageReference(parsing: text)
        let again = try ImageReference(parsing: "\(reference)")
        try promise(again == reference, "\(reference) is read as \(again)")
        let familiar = try ImageReference(parsing: reference.familiar)
        try promise(familiar == reference, "\(reference.familiar) is read as \(familiar)")
    }

    static let platform = FuzzTarget("platform", maximumSize: 128) { bytes in
        guard let text = String(validating: bytes, as: UTF8.self) else { return }
        let platform = try Platform(parsing: text).normalized
        let again = try Platform(parsing: platform.description).normalized
        try promise(again == platform, "\(platform) is read as \(again)")
    }

    static let llb = FuzzTarget("llb", maximumSize: 8192) { bytes in
        let definition = try Definition.load(bytes)
        let written = try definition.marshalled()
        let again = try Definition.load(written)
        try promise(try again.marshalled() == written, "written and read again it is another")
        _ = try? definition.json()
        _ = definition.dump.utf8.count
    }
}
