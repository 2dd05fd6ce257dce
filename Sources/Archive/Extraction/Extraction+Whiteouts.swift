import LinuxSystem
import SystemPackage
import Text

extension Extraction {
    /// Turns a whiteout into the mark of the directory's form; false for any other entry.
    ///
    /// A whiteout hides what lower layers have, never what its own layer has, wherever in the layer it stands: see the OCI
    /// image specification, layer.md, "Whiteouts".
    func handleWhiteout(_ entry: TarEntry, _ components: [[UInt8]]) throws -> Bool {
        guard let first = components.firstIndex(where: { $0.starts(with: Whiteout.prefix) }) else { return false }
        let name = components[first]
        // What aufs kept at the root of a layer (.wh..wh.plnk, .wh..wh.aufs): skipped, as containerd does.
        if first == 0, name.starts(with: Whiteout.metadataPrefix), name != Whiteout.opaque { return true }
        guard first == components.count - 1 else { throw refused(entry, "an entry below a whiteout") }
        switch entry.kind {
        case .regular, .hardLink: break
        case .directory, .symbolicLink, .characterDevice, .blockDevice, .fifo:
            throw refused(entry, "a whiteout that is not a file")
        }
        if name == Whiteout.opaque {
            let directory = try directory(components.dropLast(), entry)
            try markOpaque(directory)
            return true
        }
        let hidden = Array(name.dropFirst(Whiteout.prefix.count))
        guard !hidden.isEmpty, hidden != ".", hidden != "..",
            !hidden.starts(with: Whiteout.prefix)
        else { throw refused(entry, "a whiteout without a name") }
        let parent = try directory(components.dropLast(), entry)
        if options.mode == .marked {
            try mark(parent, name)
            return true
        }
        switch try parent.entryStatus(named: hidden)?.type {
        case nil: try parent.createNode(named: hidden, SpecialFile(.characterDevice), mode: 0)
        case .directory:
            // The layer removes the old directory and brings a new one.
            let directory = try parent.openEntry(named: hidden, [.pathOnly, .directory])
            try markOpaque(directory)
        case .regular, .symbolicLink, .characterDevice, .blockDevice, .fifo, .socket:
            // A file of this layer hides the old one by itself, and a second whiteout changes nothing.
            break
        }
        return true
    }

    /// Makes the empty file that marks something as gone; one that is there does as well.
    private func mark(_ directory: OpenFile, _ name: [UInt8]) throws(SystemCallError) {
        do throws(SystemCallError) {
            _ = try directory.createFile(named: name)
        } catch {
            guard error.errno == .fileExists else { throw error }
        }
    }

    /// Whether an entry is overlayfs's mark of a removed file.
    func isWhiteout(_ name: [UInt8], in parent: OpenFile) throws(SystemCallError) -> Bool {
        guard let status = try parent.entryStatus(named: name) else { return false }
        return status.type == .characterDevice && status.deviceMajor == 0 && status.deviceMinor == 0
    }

    /// Hides what lower layers have in a directory.
    func markOpaque(_ directory: OpenFile) throws(SystemCallError) {
        guard let attributes = options.mode.overlayAttributes else { return try mark(directory, Whiteout.opaque) }
        try directory.setExtendedAttribute(attributes.opaque, "y")
    }
}
