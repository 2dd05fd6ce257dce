import Archive
import BuildCache
import CommandLine
import HTTP
import OCI
import Proofs
import RemoteCache
import Settings
import Storage
import SystemPackage
import Terminal
import Testing
import Text

@Suite struct `Cache options` {
    private let surroundings = CacheOption.Surroundings(
        path: { FilePath("/base").pushing(FilePath(String(decoding: $0, as: UTF8.self))) },
        variable: { ["AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"][$0] }
    )

    private func source(_ text: String) throws -> [CacheSource] {
        try CacheOption.parse(Array(text.utf8)).map { try $0.source(surroundings) }
    }

    private func export(_ text: String) throws -> CacheExport {
        let options = try CacheOption.parse(Array(text.utf8))
        #expect(options.count == 1)
        return try #require(options.first).export(surroundings)
    }

    private func message(of error: any Error) -> String {
        (error as? CommandFailure)?.message ?? (error as? FlagValueError)?.reason ?? "\(error)"
    }

    private func place(_ text: String) throws -> RegistryCachePlace {
        RegistryCachePlace(try ImageReference(parsing: text), name: text)
    }

    @Test(.proves("--cache-from, --cache-to")) func `without a type are references in registries`() throws {
        #expect(try source("user/app:cache") == [.registry(try place("user/app:cache"))])
        #expect(try source("a,b:1") == [.registry(try place("a")), .registry(try place("b:1"))])
        #expect(try export("user/app").destination == .registry(try place("user/app")))
        #expect(try source("") == [])
        #expect(try place("user/app").reference.tag == "latest")
    }

    @Test(.proves("registry")) func `of registries may be insecure`() throws {
        var insecure = try place("host:5000/app")
        insecure.isInsecure = true
        #expect(try source("type=registry,ref=host:5000/app,registry.insecure=true") == [.registry(insecure)])
        #expect(try export("type=registry,ref=host:5000/app,registry.insecure=1").destination == .registry(insecure))
    }

    @Test func `of directories have a tag or a digest`() throws {
        let digest = Digest.sha256(of: [])
        #expect(
            try source("type=local,src=c,tag=t,digest=\(digest)") == [
                .local(LocalCacheSource(path: "/base/c", tag: "t", digest: digest))
            ]
        )
        #expect(try source("type=local,src=/c") == [.local(LocalCacheSource(path: "/c"))])
        #expect(
            try export("type=local,dest=c,tag=t,reset=true").destination
                == .local(LocalCacheDestination(path: "/base/c", tag: "t", removesUnused: true))
        )
        #expect(try export("type=local,\"dest=a,b\"").destination == .local(LocalCacheDestination(path: "/base/a,b")))
    }

    @Test(.proves("s3")) func `of buckets take credentials from attributes or from the environment`() throws {
        let known = S3Signer(accessKey: "id", secretKey: Secret("secret"), region: "eu-west-1")
        #expect(try source("type=s3,bucket=b") == [.s3(S3CachePlace(bucket: "b", signer: known))])
        var place = S3CachePlace(
            bucket: "b",
            signer: S3Signer(accessKey: "k", secretKey: Secret("s"), sessionToken: Secret("t"), region: "r"),
            names: ["one", "two"]
        )
        place.prefix = "p/"
        place.blobsPrefix = ""
        place.manifestsPrefix = "m/"
        place.endpoint = try HTTPURL(parsing: "http://host:9000")
        place.usesPathStyle = true
        place.touchRefresh = 3600
        place.uploadParallelism = 8
        place.maximumAttempts = 3
        let text =
            "type=s3,bucket=b,region=r,name=one;two,prefix=p/,blobs_prefix=,manifests_prefix=m/,endpoint_url=http://host:9000,use_path_style=true,access_key_id=k,secret_access_key=s,session_token=t,touch_refresh=1h,upload_parallelism=8,retry_mode=adaptive,retry_max_attempts=3,disable_accept_encoding=true"
        #expect(try source(text) == [.s3(place)])
        let export = try export(text + ",mode=max,ignore-error=true")
        #expect(export.destination == .s3(place) && export.mode == .max && export.ignoresErrors)
        #expect(!"\(place)".contains("\"s\""))
    }

    @Test(.proves("registry")) func `say which layers go along, in which form, and what an error means`() throws {
        let plain = try export("type=local,dest=c")
        #expect(plain.mode == .min && plain.form == .imageManifest && plain.compression == .gzip)
        #expect(!plain.isForced && !plain.ignoresErrors)
        let full = try export(
            "type=registry,ref=r,mode=max,compression=zstd,compression-level=19,force-compression=true,ignore-error=true"
        )
        #expect(full.mode == .max && full.compression == Compression(.zstd, level: 19))
        #expect(full.isForced && full.ignoresErrors)
        #expect(try export("type=local,dest=c,compression=uncompressed").compression == .uncompressed)
        #expect(try export("type=local,dest=c,compression=estargz").compression == .estargz)
        #expect(try export("type=local,dest=c,image-manifest=false").form == .index)
        #expect(try export("type=local,dest=c,oci-mediatypes=false").form == .dockerList)
        #expect(try export("type=inline").destination == .inline)
        #expect(try export("type=inline,ignore-error=true").ignoresErrors)
    }

    @Test(
        .proves("gha, azblob"),
        arguments: [
            ("type=registry", "missing ref"),
            ("type=registry,ref=UPPER", "invalid reference format"),
            ("type=local,dest=c", "local cache importer requires src"),
            ("type=local,src=c,digest=x", "x is not a digest"),
            ("type=local,src=c,mode=max", "unknown attribute \"mode\" of --cache-from type=local"),
            (
                "type=registry,ref=r,registry.insecure=maybe",
                "failed to parse registry.insecure: it is neither true nor false"
            ),
            ("type=inline", "an inline cache is read from its image: use --cache-from type=registry,ref=IMAGE"),
            ("type=gha", "the cache type gha is not supported: Slipway does not speak with GitHub's cache service"),
            ("type=azblob,name=x", "the cache type azblob is not supported: Slipway does not speak with Azure"),
            ("type=s3", "bucket ($AWS_BUCKET) not set for s3 cache"),
            ("type=s3,bucket=a/b", "bucket \"a/b\" of the s3 cache is not a name"),
            (
                "type=s3,bucket=b,access_key_id=k",
                "the s3 cache needs credentials: give access_key_id and secret_access_key"
            ),
            ("type=s3,bucket=b,endpoint_url=ftp://x", "endpoint_url of the s3 cache"),
            ("type=s3,bucket=b,use_path_style=2", "failed to parse use_path_style"),
            ("type=s3,bucket=b,touch_refresh=soon", "failed to parse touch_refresh"),
            ("type=s3,bucket=b,upload_parallelism=0", "upload_parallelism must be a positive integer"),
            ("type=s3,bucket=b,retry_max_attempts=x", "retry_max_attempts must be a positive integer"),
            ("type=s3,bucket=b,retry_mode=wild", "retry_mode must be \"standard\" or \"adaptive\""),
            ("type=s3,bucket=b,name=;", "the s3 cache has no name"),
            ("type=s3,bucket=b,mode=max", "unknown attribute \"mode\" of --cache-from type=s3"),
            ("type=registry,ref=r,mode=max", "unknown attribute \"mode\" of --cache-from type=registry"),
            ("type=floppy", "unknown cache type \"floppy\": it is not one of inline, local, registry and s3"),
        ] as [(String, String)]
    )
    func `that make no sense are not read`(text: String, reason: String) throws {
        let error = try #require(throws: (any Error).self) { _ = try source(text) }
        #expect(message(of: error).contains(reason))
    }

    @Test(
        .proves("inline", "gha, azblob"),
        arguments: [
            ("type=local,src=c", "local cache exporter requires dest"),
            ("type=local,dest=c,mode=medium", "unsupported cache export mode: medium; it is min or max"),
            ("type=local,dest=c,image-manifest=perhaps", "failed to parse image-manifest"),
            ("type=local,dest=c,oci-mediatypes=false,image-manifest=true", "invalid configuration for remote cache"),
            ("type=local,dest=c,compression=lzma", "unsupported compression type lzma"),
            ("type=local,dest=c,compression-level=10", "gzip: invalid compression level: 10; use 0 to 9"),
            (
                "type=local,dest=c,compression=zstd,compression-level=23",
                "zstd: invalid compression level: 23; use 0 to 22"
            ),
            ("type=local,dest=c,force-compression=2", "non-bool value specified for force-compression"),
            ("type=local,dest=c,ignore-error=x", "failed to parse ignore-error"),
            ("type=local,dest=c,reset=x", "failed to parse reset"),
            ("type=local,dest=c,colour=red", "unknown attribute \"colour\" of --cache-to type=local"),
            ("type=registry,ref=r,dest=c", "unknown attribute \"dest\" of --cache-to type=registry"),
            ("type=inline,mode=max", "an inline cache holds the layers of its image only"),
            ("type=gha,mode=max", "the cache type gha is not supported"),
        ] as [(String, String)]
    )
    func `that make no sense are not written`(text: String, reason: String) throws {
        let error = try #require(throws: (any Error).self) { _ = try export(text) }
        #expect(message(of: error).contains(reason))
    }

    @Test(
        arguments: [
            ("src=c", "type required for \"src=c\""), ("type=,src=c", "type required for"),
            ("type=local,src", "invalid value src"), ("type=local,\"src=c", "a quoted field has no end"),
        ] as [(String, String)]
    )
    func `that cannot be read are named`(text: String, reason: String) throws {
        let error = try #require(throws: (any Error).self) { _ = try CacheOption.parse(Array(text.utf8)) }
        #expect(message(of: error).contains(reason))
    }
}

@Suite struct `Policies in the configuration` {
    private func policies(_ text: String, disk: Int64 = 100 << 30) throws -> [CachePolicy] {
        try SlipwayConfiguration(parsing: Array(text.utf8), file: "/etc/slipway/slipway.toml")
            .cachePolicies(diskBytes: disk)
    }

    @Test(.proves("Garbage collection (gc, reservedSpace")) func `have the names of buildkitd's`() throws {
        let policies = try policies(
            """
            [worker.oci]
            gc = true
            [[worker.oci.gcpolicy]]
            reservedSpace = "1GB"
            keepDuration = "48h"
            filters = ["type==source.local,inuse=false", "description~=^RUN"]
            [[worker.oci.gcpolicy]]
            all = true
            maxUsedSpace = 5000
            minFreeSpace = "20%"
            keepDuration = 60
            """
        )
        #expect(policies.count == 2)
        #expect(policies[0].reservedSpace == 1 << 30 && policies[0].keepDuration == 48 * 3600 && !policies[0].all)
        #expect(policies[0].alternatives.map(\.count) == [2, 1])
        #expect(policies[1].maxUsedSpace == 5000 && policies[1].minFreeSpace == 21_000_000_000)
        #expect(policies[1].keepDuration == 60 && policies[1].all)
    }

    @Test func `are the usual ones with other limits, or none`() throws {
        let short = try policies("[worker.oci]\nreservedSpace = \"1GB\"\nmaxUsedSpace = \"10GB\"\n")
        #expect(short.count == 4 && short[2].reservedSpace == 1 << 30 && short[2].maxUsedSpace == 10 << 30)
        #expect(try policies("").count == 4)
        #expect(try policies("[worker.oci]\ngckeepstorage = 9000\n")[2].reservedSpace == 9000)
        let off = try SlipwayConfiguration(parsing: "[worker.oci]\ngc = false\n", file: "/f")
        #expect(!off.cache.collects)
    }

    @Test(
        arguments: [
            ("[worker.oci]\nmaxUsedSpace = \"much\"\n", "worker.oci.maxUsedSpace"),
            ("[worker.oci]\nminFreeSpace = \"120%\"\n", "is not a size such as 10GB or 20%"),
            ("[worker.oci]\ngc = \"yes\"\n", "expected true or false"),
            ("[worker.oci]\nreservedSpace = true\n", "expected a number or a string"),
            ("[worker.oci]\nsnapshoter = \"x\"\n", "unknown key"),
            ("[worker.docker]\ngc = true\n", "unknown key"),
            ("[[worker.oci.gcpolicy]]\nkeepDuration = \"long\"\n", "worker.oci.gcpolicy[0].keepDuration"),
            ("[[worker.oci.gcpolicy]]\nfilters = [\"colour==red\"]\n", "the filter colour is not one of"),
            ("[[worker.oci.gcpolicy]]\nfilters = [\"description~=(\"]\n", "is not a pattern"),
        ] as [(String, String)]
    )
    func `that make no sense are named with file and key`(text: String, reason: String) throws {
        let error = try #require(throws: SettingsError.self) { _ = try policies(text) }
        #expect("\(error)".contains(reason) && "\(error)".contains("/etc/slipway/slipway.toml"))
    }
}
