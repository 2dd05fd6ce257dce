internal import BuildKitClient
internal import LinuxSystem
internal import Manual
internal import Terminal
internal import Text

extension CacheOption {
    /// What a daemon is told: it understands the attributes, and knows nothing of the environment here.
    func remoteEntry(_ environment: SlipwayEnvironment) throws -> RemoteCacheEntry {
        var entry = RemoteCacheEntry(type: type, attributes: [:])
        for (key, value) in attributes {
            let isPath = type == "local" && ["src", "dest"].contains(key)
            entry.attributes[key] = try RemoteTranslation.text(isPath ? environment.path(value).bytes : value)
        }
        if type == "s3" { addKeys(to: &entry, environment) }
        return entry
    }

    /// The variables that Amazon's own programs read.
    private func addKeys(to entry: inout RemoteCacheEntry, _ environment: SlipwayEnvironment) {
        let variables: [(String, EnvironmentVariable)] = [
            ("bucket", .bucket), ("region", .bucketRegion), ("access_key_id", .accessKey),
            ("secret_access_key", .secretAccessKey), ("session_token", .sessionToken),
        ]
        let hasKey = entry.attributes["access_key_id"] != nil || entry.attributes["secret_access_key"] != nil
        for (key, variable) in variables where entry.attributes[key] == nil {
            if hasKey, key != "bucket", key != "region" { continue }
            if let value = environment.variable(variable) {
                entry.attributes[key] = String(decoding: value, as: UTF8.self)
            }
        }
    }
}
