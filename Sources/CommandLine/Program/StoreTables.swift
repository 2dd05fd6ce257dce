internal import BuildCache
internal import Containers
internal import Images
internal import Operations
internal import RemoteSources
internal import Snapshots
package import Storage

extension StoreTables {
    /// The tables of Slipway's store, each owner after those whose rows its own refer to.
    package static let all = StoreTables([
        LayerTable.self, FileDigestTable.self, DownloadTable.self, ImageTable.self, ContainerTable.self,
        CacheTable.self,
    ])
}

extension ImageStore {
    /// The images of a store that has containers, too.
    package convenience init(store: Store) {
        self.init(store: store) { db in
            try ContainerTable.uses(in: db).map { container in
                ImageUser(
                    id: container.id,
                    name: container.name,
                    image: container.image,
                    imageName: container.imageName,
                    created: container.created,
                    isRunning: container.isRunning,
                    layers: container.layers
                )
            }
        }
    }
}
