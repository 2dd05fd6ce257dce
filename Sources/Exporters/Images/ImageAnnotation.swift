import LinuxSystem
package import OCI
import Text

/// One annotation that an image is exported with.
package struct ImageAnnotation: Sendable, Hashable {
    /// The document or descriptor that gets it.
    package enum Target: String, Sendable, CaseIterable {
        case manifest
        case manifestDescriptor = "manifest-descriptor"
        case index
        case indexDescriptor = "index-descriptor"
    }

    package var target: Target
    /// The image of several that gets it; nil for all.
    package var platform: Platform?
    package var key: String
    package var value: String

    package init(_ target: Target, _ platform: Platform? = nil, key: String, value: String) {
        self.target = target
        self.platform = platform
        self.key = key
        self.value = value
    }

    /// The name that the annotation has among an output's attributes.
    package var attribute: String {
        let type = target == .manifest ? "" : "-\(target.rawValue)"
        return "annotation\(type)\(platform.map { "[\($0)]" } ?? "").\(key)"
    }

    /// Reads an output's attribute: `annotation[-TYPE][[PLATFORM]].KEY`; nil for another one.
    /// - Parameters:
    ///   - attribute: the attribute's name.
    ///   - value: its value.
    /// - Throws: `ExportError` for a type or platform that there is not.
    package init?(attribute: String, value: String) throws(ExportError) {
        var rest = attribute.utf8[...]
        guard rest.starts(with: "annotation") else { return nil }
        rest = rest.dropFirst("annotation".utf8.count)
        var type: String?
        if rest.first == "-" {
            let name = rest.dropFirst().prefix { isTypeCharacter($0) }
            if name.isEmpty { return nil }
            type = String(decoding: name, as: UTF8.self)
            rest = rest[name.endIndex...]
        }
        var platform: String?
        if rest.first == "[" {
            let name = rest.dropFirst().prefix { isPlatformCharacter($0) }
            rest = rest[name.endIndex...]
            guard !name.isEmpty, rest.first == "]" else { return nil }
            rest = rest.dropFirst()
            platform = String(decoding: name, as: UTF8.self)
        }
        guard rest.first == ".", rest.count > 1, !rest.contains(where: isSpace) else { return nil }
        guard let target = Target(rawValue: type ?? Target.manifest.rawValue) else {
            throw .attributeAnnotationType(type ?? "")
        }
        self.init(
            target,
            try platform.map { text throws(ExportError) in try Self.platform(text) },
            key: String(decoding: rest.dropFirst(), as: UTF8.self),
            value: value
        )
    }

    /// Reads `[TYPE[[PLATFORM]][,TYPE…]:]KEY=VALUE`, as `--annotation` has it.
    /// - Parameter text: the flag's value.
    /// - Returns: one for each type; none for an empty text.
    /// - Throws: `ExportError`, in buildx's words.
    package static func parse(_ text: String) throws(ExportError) -> [ImageAnnotation] {
        if text.isEmpty { return [] }
        guard let equals = text.firstIndex(of: "=") else { throw .annotation(text) }
        let left = text[..<equals]
        let value = String(text[text.index(after: equals)...])
        let colon = left.firstIndex(of: ":")
        let key = String(colon.map { left[left.index(after: $0)...] } ?? left)
        guard !key.isEmpty, !key.utf8.contains(where: isSpace) else { throw .annotation(text) }
        guard let colon else { return [ImageAnnotation(.manifest, key: key, value: value)] }
        var annotations: [ImageAnnotation] = []
        for type in left[..<colon].split(separator: ",", omittingEmptySubsequences: false) {
            let (target, platform) = try target(String(type))
            // An index is of all platforms.
            let isOfIndex = target == .index || target == .indexDescriptor
            annotations.append(ImageAnnotation(target, isOfIndex ? nil : platform, key: key, value: value))
        }
        return annotations
    }

    private static func target(_ text: String) throws(ExportError) -> (Target, Platform?) {
        let name = text.utf8.prefix { isTypeCharacter($0) }
        var rest = text.utf8[name.endIndex...]
        guard !name.isEmpty else { throw .annotationType(text) }
        var platform: String?
        if rest.first == "[" {
            let inner = rest.dropFirst().prefix { isPlatformCharacter($0) }
            rest = rest[inner.endIndex...]
            guard !inner.isEmpty, rest.elementsEqual("]".utf8) else { throw .annotationType(text) }
            platform = String(decoding: inner, as: UTF8.self)
        } else if !rest.isEmpty {
            throw .annotationType(text)
        }
        let type = String(decoding: name, as: UTF8.self)
        guard let target = Target(rawValue: type) else { throw .unknownAnnotationType(type) }
        return (target, try platform.map { text throws(ExportError) in try Self.platform(text) })
    }

    private static func platform(_ text: String) throws(ExportError) -> Platform {
        do throws(OCIError) {
            return try Platform(parsing: text).normalized
        } catch {
            throw .annotationPlatform(text, reason: "\(error)")
        }
    }
}

extension [ImageAnnotation] {
    /// What a document or descriptor gets; a later annotation of the same key replaces an earlier one.
    /// - Parameters:
    ///   - target: the document or descriptor.
    ///   - platform: the image that it is of; nil for all images together.
    /// - Returns: the annotations; nil for none.
    package func values(for target: ImageAnnotation.Target, platform: Platform? = nil) -> [String: String]? {
        let fitting = filter { $0.target == target }
        var values: [String: String] = [:]
        for annotation in fitting where annotation.platform == nil { values[annotation.key] = annotation.value }
        for annotation in fitting
        where annotation.platform != nil && (platform == nil || annotation.platform == platform) {
            values[annotation.key] = annotation.value
        }
        return values.isEmpty ? nil : values
    }

    /// Refuses annotations of what the result will not have.
    /// - Parameters:
    ///   - platforms: what is built for.
    ///   - isIndex: whether the images will be under an index.
    ///   - docker: whether the documents have Docker's media types.
    /// - Throws: `ExportError`.
    package func check(platforms: [Platform], isIndex: Bool, docker: Bool) throws(ExportError) {
        for annotation in self {
            if let platform = annotation.platform, !platforms.contains(platform) {
                throw .annotationPlatformNotBuilt("\(platform)")
            }
            if docker, annotation.target != .manifest { throw .dockerAnnotations }
            if !isIndex, annotation.target == .index || annotation.target == .indexDescriptor {
                throw .indexAnnotationsOfOne
            }
        }
    }
}

private func isTypeCharacter(_ byte: UInt8) -> Bool {
    ("a"..."z").contains(byte) || byte == "-"
}

private func isPlatformCharacter(_ byte: UInt8) -> Bool {
    let lower = byte | 0x20
    return ("a"..."z").contains(lower)
        || ("0"..."9").contains(byte) || "_/-".utf8.contains(byte)
}

private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
