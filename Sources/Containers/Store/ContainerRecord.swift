import OCI

/// One container as the store knows it.
package struct ContainerRecord: Sendable, Identifiable {
    package let id: String
    package let name: String
    /// Seconds since 1970.
    package let created: Int64
    package let configuration: ContainerConfiguration
    package internal(set) var state: ContainerState

    /// The first 12 digits of the id, as `docker ps` shows it.
    package var shortID: String { String(id.prefix(12)) }

    /// How the image or its caller wants the container's health to be checked; nil where they do not.
    package var healthPlan: HealthPlan? { HealthPlan(configuration.options.healthcheck) }
}
