package import Containers
package import Images
package import LinuxSystem
package import Settings
package import Storage
package import Text

/// What Docker's API is about, as far as it is no build: images, containers, volumes.
package struct DockerEngine: Sendable {
    package var store: Store
    package var images: ImageStore
    package var archiver: ImageArchiver
    package var containers: ContainerStore
    package var level: PrivilegeLevel
    /// What speaks with registries with the credentials that a client gives.
    package var remote: @Sendable (any CredentialSource) async throws -> RemoteImages
    /// Tries credentials at a registry, and gives the token to keep in their place where there is one.
    package var logIn: @Sendable (_ domain: String, Credential) async throws -> Secret?

    package init(
        store: Store,
        images: ImageStore,
        archiver: ImageArchiver,
        containers: ContainerStore,
        level: PrivilegeLevel,
        remote: @escaping @Sendable (any CredentialSource) async throws -> RemoteImages,
        logIn: @escaping @Sendable (_ domain: String, Credential) async throws -> Secret?
    ) {
        self.store = store
        self.images = images
        self.archiver = archiver
        self.containers = containers
        self.level = level
        self.remote = remote
        self.logIn = logIn
    }
}
