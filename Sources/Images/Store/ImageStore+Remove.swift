internal import GRDB
package import OCI
internal import Snapshots
internal import Storage
internal import Text

/// One thing that a removal did, as `rmi` prints it.
package enum ImageRemoval: Sendable, Hashable, CustomStringConvertible {
    /// A name is gone: `repo:tag` or `repo@sha256:…`, as docker shows it.
    case untagged(String)
    /// An image, or a layer (by its chain id) that nothing else needed, is gone.
    case deleted(Digest)

    package var description: String {
        switch self {
        case .untagged(let name): "Untagged: \(name)"
        case .deleted(let digest): "Deleted: \(digest)"
        }
    }
}

extension ImageStore {
    /// Removes a name, and with its last name the image; or, given an id, the image.
    ///
    /// Follows docker: a name whose image a container uses, an image with names in several repositories, and one that a
    /// stopped container uses need `force`; one that a running container uses stays in any case.
    /// - Parameters:
    ///   - name: a name, a name by digest, an id or the beginning of one.
    ///   - force: overrides conflicts that can be overridden.
    ///   - isRunning: whether a container (by its id) runs now; nil believes what the store last noted.
    /// - Returns: what happened, in docker's order.
    /// - Throws: `ImageError.noSuchImage`, `.nameInUse`, `.conflict`.
    package func remove(
        _ name: String,
        force: Bool = false,
        isRunning: (@Sendable (String) async -> Bool)? = nil
    ) async throws -> [ImageRemoval] {
        var running: Set<String>?
        if let isRunning {
            let containers = try await store.database.read { [users] db in
                try Self.containers(of: try Self.resolve(name, in: db), among: try users(db), in: db)
            }
            var found: Set<String> = []
            for container in containers where await isRunning(container.id) { found.insert(container.id) }
            running = found
        }
        let known = running
        let (id, removals, chain) = try await store.database.write { [users] db in
            var removal = Removal(
                id: try Self.resolve(name, in: db),
                db: db,
                force: force,
                users: try users(db),
                running: known
            )
            try removal.run(name)
            return (removal.id, removal.lines, removal.layers)
        }
        await tell(of: removals, of: id)
        guard removals.contains(where: { if case .deleted = $0 { true } else { false } }) else { return removals }
        let gone = Set(try await store.collectGarbage().layers)
        return removals + chain.reversed().filter { gone.contains($0.layer) }.map { .deleted($0.chainID) }
    }

    /// Removes images with all their names, each in a transaction of its own, and collects what they leave once for all.
    ///
    /// One that a container uses, that is gone, or that belongs to an image of several platforms stays without a complaint.
    /// - Returns: what happened, in docker's order.
    func removeUnused(_ ids: [Digest]) async throws -> [ImageRemoval] {
        var removed: [(lines: [ImageRemoval], chain: [(layer: LayerID, chainID: Digest)])] = []
        for id in ids {
            do {
                let removal =
                    try await store.database.write { [users] db in
                        var removal = Removal(
                            id: try Self.resolve(id.description, in: db),
                            db: db,
                            force: false,
                            users: try users(db),
                            running: nil
                        )
                        try removal.runWhole()
                        return (removal.lines, removal.layers)
                    }
                removed.append(removal)
                await tell(of: removal.0, of: id)
            } catch is ImageError {
                // Something began to use it, or removed it, since it was listed.
                continue
            }
        }
        var gone = Set(try await store.collectGarbage().layers)
        // A layer of several images goes with the last of them.
        let lines = removed.reversed().map { lines, chain in
            lines + chain.reversed().filter { gone.remove($0.layer) != nil }.map { .deleted($0.chainID) }
        }
        return lines.reversed().flatMap { $0 }
    }

    /// The containers made of an image or of any of its members, the oldest first.
    private static func containers(of id: Digest, among users: [ImageUser], in db: Database) throws -> [ImageUser] {
        let images = Set(try memberRows(of: id, in: db).map(\.image) + [id])
        return users.filter { $0.image.map(images.contains) ?? false }.sorted { $0.created < $1.created }
    }

    /// The steps of one removal inside its transaction.
    private struct Removal {
        let id: Digest
        let db: Database
        let force: Bool
        let users: [ImageUser]
        let running: Set<String>?
        var lines: [ImageRemoval] = []
        /// The layers of the removed image with their chain ids.
        var layers: [(layer: LayerID, chainID: Digest)] = []

        mutating func run(_ name: String) throws {
            let references = try allReferences()
            let hex = name.hasPrefix("sha256:") ? String(name.dropFirst(7)) : name
            if id.hex.hasPrefix(hex) {
                try checkMembership()
                if Self.isSingle(references) {
                    try checkConflicts(stopped: !force, names: false)
                    for reference in references { try untag(reference) }
                }
                try delete(quietly: false)
                return
            }
            let reference = try ImageReference(parsing: name).withDefaultTag
            if !force, Self.isSingle(references), let container = try containers().first {
                throw ImageError.nameInUse(name, container: container.id, image: id)
            }
            try untag(reference)
            var rest = try allReferences()
            // Names by digest of a repository go with its last tag.
            if reference.digest == nil,
                !rest.contains(where: { $0.digest == nil && $0.repository == reference.repository })
            {
                for other in rest where other.repository == reference.repository { try untag(other) }
                rest = try allReferences()
            }
            if rest.isEmpty { try delete(quietly: true) }
        }

        /// Removes the image with all its names, unless something needs it.
        mutating func runWhole() throws {
            let references = try allReferences()
            if references.isEmpty { try checkMembership() }
            try checkConflicts(stopped: true, names: false)
            for reference in references { try untag(reference) }
            try delete(quietly: !references.isEmpty)
        }

        /// Names with tags first, then those by digest.
        private func allReferences() throws -> [ImageReference] {
            try ImageStore.names(of: id, in: db) + ImageStore.repositoryDigests(of: id, in: db)
        }

        /// At most one name with a tag, and all names in one repository.
        static func isSingle(_ references: [ImageReference]) -> Bool {
            !references.isEmpty && references.count { $0.digest == nil } <= 1
                && Set(references.map(\.repository)).count == 1
        }

        private func containers() throws -> [ImageUser] {
            try ImageStore.containers(of: id, among: users, in: db)
        }

        /// A member goes with the image of several platforms that it belongs to.
        private func checkMembership() throws {
            guard let owner = try ImageStore.owner(of: id, in: db) else { return }
            let reason = "image is one platform's of image \(owner.short); remove that one"
            throw ImageError.conflict(id, isHard: true, reason: reason)
        }

        private func isRunning(_ container: ImageUser) -> Bool {
            running?.contains(container.id) ?? container.isRunning
        }

        private func checkConflicts(stopped: Bool, names: Bool) throws {
            let containers = try containers()
            if let container = containers.first(where: isRunning) {
                throw ImageError.conflict(
                    id,
                    isHard: true,
                    reason: "image is being used by running container \(container.id.prefix(12))"
                )
            }
            if names, try !allReferences().isEmpty {
                throw ImageError.conflict(id, isHard: false, reason: "image is referenced in multiple repositories")
            }
            if stopped, let container = containers.first {
                throw ImageError.conflict(
                    id,
                    isHard: false,
                    reason: "image is being used by stopped container \(container.id.prefix(12))"
                )
            }
        }

        private mutating func untag(_ reference: ImageReference) throws {
            if let digest = reference.digest {
                try db.execute(
                    sql: "DELETE FROM image_digests WHERE repository = ? AND digest = ?",
                    arguments: [reference.repository, digest]
                )
                lines.append(.untagged("\(reference.familiarRepository)@\(digest)"))
            } else {
                try db.execute(sql: "DELETE FROM image_names WHERE name = ?", arguments: [reference.description])
                lines.append(.untagged(reference.familiar))
            }
        }

        /// Removes the image itself; `quietly` after its last name went: a container that uses it then keeps it.
        private mutating func delete(quietly: Bool) throws {
            do {
                try checkConflicts(stopped: !force, names: !force)
            } catch is ImageError where quietly {
                return
            }
            for reference in try allReferences() { try untag(reference) }
            // Another image may still need it as one of its platforms.
            if try ImageStore.owner(of: id, in: db) != nil { return }
            let members = try ImageStore.memberRows(of: id, in: db).map(\.image)
            try drop(id)
            for member in Set(members).sorted(by: { $0.hex < $1.hex }) where try isUnneeded(member) { try drop(member) }
        }

        /// Whether nothing but a removed index led to an image.
        private func isUnneeded(_ image: Digest) throws -> Bool {
            try ImageStore.owner(of: image, in: db) == nil
                && ImageStore.names(of: image, in: db).isEmpty
                && ImageStore.repositoryDigests(of: image, in: db).isEmpty
        }

        /// Removes an image's row, and notes the layers that may go with it.
        private mutating func drop(_ id: Digest) throws {
            var chain: Digest?
            for layer in try ImageTable.layers(of: id, in: db) {
                guard let diffID = try LayerTable.diffID(of: layer, in: db) else { break }
                let next = chain.map { Digest.sha256(of: "\($0.description) \(diffID.description)") } ?? diffID
                layers.append((layer, next))
                chain = next
            }
            try db.execute(sql: "DELETE FROM images WHERE id = ?", arguments: [id])
            lines.append(.deleted(id))
        }
    }
}
