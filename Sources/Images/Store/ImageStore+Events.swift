internal import OCI
internal import Storage

/// What is told of images, by docker's names.
package enum ImageAction: String, Sendable, Hashable {
    case delete, load, pull, push, save, tag, untag
    case importing = "import"
}

extension ImageStore {
    /// Tells of what was done to an image.
    /// - Parameters:
    ///   - action: what was done.
    ///   - subject: the image's id or, of pulls and pushes, its name.
    ///   - name: a name that has to do with it.
    func tell(_ action: ImageAction, of subject: String, name: String? = nil) async {
        let attributes = name.map { ["name": $0] } ?? [:]
        await store.journal.append(StoreEvent(.image, action.rawValue, of: subject, attributes))
    }

    /// Tells of what a removal has done.
    func tell(of removals: [ImageRemoval], of id: Digest) async {
        for removal in removals {
            switch removal {
            case .untagged(let name): await tell(.untag, of: id.description, name: name)
            case .deleted(let digest): if digest == id { await tell(.delete, of: id.description) }
            }
        }
    }
}
