import HTTP
import OCI
import Proofs
import RemoteCache
import Settings
import Testing
import Text

@Suite struct `Signatures for S3` {
    private let signer = S3Signer(
        accessKey: "AKIAIOSFODNN7EXAMPLE",
        secretKey: Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        region: "us-east-1"
    )
    /// 24 May 2013, 00:00 UTC.
    private let time: Int64 = 1_369_353_600

    private func url(_ target: String) -> HTTPURL {
        HTTPURL(scheme: .https, host: "examplebucket.s3.amazonaws.com", target: target)
    }

    private func headers(
        _ method: String,
        _ target: String,
        _ change: (inout S3Signer.Request) -> Void
    ) -> [S3Signer.Parameter] {
        var request = S3Signer.Request(method, url(target))
        change(&request)
        return signer.headers(for: request, at: time)
    }

    private func signature(_ headers: [(name: String, value: String)]) -> String? {
        headers.first { $0.name == "Authorization" }?.value.split(separator: "=").last.map(String.init)
    }

    /// The examples of Amazon's documentation.
    @Test(.proves("s3")) func `are those of Amazon's examples`() {
        let part = headers("GET", "/test.txt") { $0.headers = [("range", "bytes=0-9")] }
        #expect(signature(part) == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
        #expect(
            part.first { $0.name == "Authorization" }?.value.hasPrefix(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            ) == true
        )
        let lifecycle = headers("GET", "/") { $0.query = [("lifecycle", "")] }
        #expect(signature(lifecycle) == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
        let list = headers("GET", "/") { $0.query = [("prefix", "J"), ("max-keys", "2")] }
        #expect(signature(list) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
        let put = headers("PUT", "/test%24file.text") {
            $0.headers = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")]
            $0.body = "Welcome to Amazon S3."
        }
        #expect(signature(put) == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
    }

    @Test func `cover the token of a session`() {
        var session = signer
        session.sessionToken = Secret("token")
        let headers = session.headers(for: S3Signer.Request("GET", url("/")), at: time)
        #expect(headers.contains { $0.name == "x-amz-security-token" && $0.value == "token" })
        #expect(headers.last?.value.contains("x-amz-date;x-amz-security-token, ") == true)
    }

    @Test(
        arguments: [
            (nil, false, "bucket", "https://bucket.s3.eu-west-1.amazonaws.com/a/b%20c"),
            (nil, true, "bucket", "https://s3.eu-west-1.amazonaws.com/bucket/a/b%20c"),
            (nil, false, "my.bucket", "https://s3.eu-west-1.amazonaws.com/my.bucket/a/b%20c"),
            ("https://store.example.com/base", false, "bucket", "https://bucket.store.example.com/base/a/b%20c"),
            ("https://store.example.com", true, "bucket", "https://store.example.com/bucket/a/b%20c"),
            ("http://10.0.0.1:9000", false, "bucket", "http://10.0.0.1:9000/bucket/a/b%20c"),
            ("http://localhost:9000", false, "bucket", "http://localhost:9000/bucket/a/b%20c"),
        ] as [(String?, Bool, String, String)]
    )
    func `are for the address that the bucket has`(
        endpoint: String?,
        usesPathStyle: Bool,
        bucket: String,
        address: String
    ) throws {
        var place = S3CachePlace(
            bucket: bucket,
            signer: S3Signer(accessKey: "id", secretKey: Secret("x"), region: "eu-west-1")
        )
        place.endpoint = try endpoint.map { try HTTPURL(parsing: $0) }
        place.usesPathStyle = usesPathStyle
        #expect(place.address(of: "a/b c").description == address)
    }

    @Test func `of China's regions are for China's domain`() {
        let place = S3CachePlace(
            bucket: "b",
            signer: S3Signer(accessKey: "id", secretKey: Secret("x"), region: "cn-north-1")
        )
        #expect(place.address(of: "k").description == "https://b.s3.cn-north-1.amazonaws.com.cn/k")
    }
}
