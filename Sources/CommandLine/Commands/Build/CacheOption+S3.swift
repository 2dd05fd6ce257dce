internal import HTTP
internal import Manual
internal import RemoteCache
internal import Terminal
internal import Text

extension CacheAttributeReader {
    /// Where in S3 a cache is; what no attribute says may be in the variables that Amazon's own programs read.
    mutating func bucket(_ environment: CacheOption.Surroundings) throws -> S3CachePlace {
        func variable(_ variable: EnvironmentVariable) -> String? {
            environment.variable(variable.name).flatMap { $0.isEmpty ? nil : $0 }
        }
        guard let bucket = try text("bucket") ?? variable(.bucket) else {
            throw CacheOption.failure("bucket ($AWS_BUCKET) not set for s3 cache")
        }
        guard let region = try text("region") ?? variable(.bucketRegion) else {
            throw CacheOption.failure("region ($AWS_REGION) not set for s3 cache")
        }
        for (name, value) in [("bucket", bucket), ("region", region)] where !Self.isHostName(value) {
            throw CacheOption.failure(
                "\(name) \"\(value)\" of the s3 cache is not a name: it has letters, digits, dots and dashes"
            )
        }
        var place = S3CachePlace(bucket: bucket, signer: try signer(region: region, variable))
        if let names = try text("name") {
            place.names = names.split(separator: ";").map(String.init)
            if place.names.isEmpty { throw CacheOption.failure("the s3 cache has no name") }
        }
        place.prefix = try text("prefix") ?? ""
        place.blobsPrefix = try prefix("blobs_prefix") ?? place.blobsPrefix
        place.manifestsPrefix = try prefix("manifests_prefix") ?? place.manifestsPrefix
        if let address = try text("endpoint_url") {
            do throws(HTTPError) { place.endpoint = try HTTPURL(parsing: address) } catch {
                throw CacheOption.failure("endpoint_url of the s3 cache: \(error)")
            }
        }
        place.usesPathStyle = try flag("use_path_style") ?? false
        try readHabits(of: &place)
        return place
    }

    /// What says how requests are made, and not where to.
    private mutating func readHabits(of place: inout S3CachePlace) throws {
        if let duration = take("touch_refresh") {
            do throws(FlagValueError) { place.touchRefresh = try FlagValues.seconds(duration) } catch {
                throw CacheOption.failure("failed to parse touch_refresh: \(error.reason)")
            }
        }
        place.uploadParallelism =
            try number("upload_parallelism", 1...1000, "upload_parallelism must be a positive integer") ?? 4
        place.maximumAttempts = try number(
            "retry_max_attempts",
            1...1000,
            "retry_max_attempts must be a positive integer"
        )
        // Both wait longer after each failure; Slipway has no other way.
        if let mode = try text("retry_mode"), !["standard", "adaptive"].contains(mode) {
            throw CacheOption.failure("retry_mode must be \"standard\" or \"adaptive\"")
        }
        // Slipway never sends the header that some servers change after it is signed.
        _ = try flag("disable_accept_encoding")
    }

    private mutating func signer(region: String, _ variable: (EnvironmentVariable) -> String?) throws -> S3Signer {
        let (key, secret, token) = (
            try text("access_key_id"), try text("secret_access_key"), try text("session_token")
        )
        if let key, let secret {
            return S3Signer(
                accessKey: key,
                secretKey: Secret(secret),
                sessionToken: token.map { Secret($0) },
                region: region
            )
        }
        guard key == nil, secret == nil, let key = variable(.accessKey),
            let secret = variable(.secretAccessKey)
        else {
            throw CacheOption.failure(
                "the s3 cache needs credentials: give access_key_id and secret_access_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        }
        return S3Signer(
            accessKey: key,
            secretKey: Secret(secret),
            sessionToken: variable(.sessionToken).map { Secret($0) },
            region: region
        )
    }

    /// A prefix may be said to be empty.
    private mutating func prefix(_ key: String) throws -> String? {
        guard rest[key] != nil else { return nil }
        return try text(key) ?? ""
    }

    private static func isHostName(_ text: String) -> Bool {
        text.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || ("a"..."z").contains(byte | 0x20)
                || "-._".utf8.contains(byte)
        }
    }
}
