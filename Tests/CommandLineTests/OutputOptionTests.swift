import Archive
import Exporters
import LinuxSystem
import OCI
import Proofs
import Terminal
import Testing
import Text

@testable import CommandLine

private func option(_ text: String) throws -> BuildOutputOption { try BuildOutputOption(parsing: Array(text.utf8)) }

@Suite struct `Output options` {
    @Test func `short forms are a directory and an archive on standard output`() throws {
        #expect(try option("out").kind == .local)
        #expect(try option("out").destination == "out")
        #expect(try option("-").kind == .tar)
        // As in buildx: one field that is no type is a directory's name.
        #expect(try option("dest=x").destination == "dest=x")
    }

    @Test(.proves("cacheonly, none")) func `an output without dest goes to standard output or into the store`() throws {
        for type in ["tar", "oci"] {
            #expect(try option("type=\(type)").goesToStandardOutput)
            #expect(try option("type=\(type),dest=-").goesToStandardOutput)
        }
        #expect(try option("type=docker").destination == nil)
        #expect(try option("type=docker,dest=-").goesToStandardOutput)
        #expect(try !option("type=oci,dest=x,tar=false").isArchive)
        #expect(try option("type=cacheonly").kind == .cacheonly)
        #expect(try option("type=none").kind == .none)
    }

    /// Every option of an image, and what it sets.
    private static let imageOptions: [(String, @Sendable (ImageOptions) -> Bool)] = [
        ("name=a", { $0.names == ["a"] }), ("\"name=a,b:1\"", { $0.names == ["a", "b:1"] }),
        ("push=true", { $0.isPushed }), ("push=", { $0.isPushed }), ("push=0", { !$0.isPushed }),
        ("push-by-digest=true", { $0.isPushedByDigest }),
        ("registry.insecure=true", { $0.allowsInsecureRegistry }), ("unpack=true", { $0.unpacks == true }),
        ("unpack=false", { $0.unpacks == false }), ("store=false", { !$0.isStored }), ("store=", { $0.isStored }),
        ("dangling-name-prefix=p", { $0.danglingPrefix == "p" }),
        ("danging-name-empty-only=true", { $0.danglesOnlyWithoutName }),
        ("name-canonical=true", { $0.namesByDigest }), ("oci-mediatypes=false", { $0.isDocker }),
        ("oci-mediatypes=true", { !$0.isDocker }), ("oci-artifact=true", { $0.usesOCIArtifact == true }),
        ("attestation-inline=true", { $0.takesInlineAttestations == true }),
        ("prefer-nondist-layers=true", { $0.prefersForeignLayers }),
        ("source-date-epoch=1700000000", { $0.epoch == .time(FileTime(seconds: 1_700_000_000)) }),
        ("source-date-epoch=", { $0.epoch == ExportEpoch.none }), ("rewrite-timestamp=true", { $0.rewritesTimes }),
        ("compression=uncompressed", { $0.compression == .uncompressed }),
        ("compression=gzip", { $0.compression == .gzip }), ("compression=estargz", { $0.compression == .estargz }),
        ("compression=zstd", { $0.compression == .zstd }),
        ("compression=zstd,compression-level=22", { $0.compression?.level == 22 }),
        ("compression-level=9,compression=estargz", { $0.compression?.recipe == "estargz-9" }),
        ("compression-level=0", { $0.compression?.recipe == "gzip-0" }),
        ("force-compression=true", { $0.forcesCompression }), ("force-compression=", { $0.forcesCompression }),
        ("annotation.k=v", { $0.annotations == [ImageAnnotation(.manifest, key: "k", value: "v")] }),
        ("buildinfo=true", { $0 == ImageOptions() }), ("buildinfo-attrs=true", { $0 == ImageOptions() }),
        ("PUSH=true", { $0.isPushed }),
    ]

    @Test(.proves("image, registry")) func `every option of an image is taken`() throws {
        for (text, isRight) in Self.imageOptions {
            let parsed = try option("type=image,\(text)")
            #expect(isRight(parsed.image), "\(text)")
        }
        // A registry is pushed to, whatever `push` says.
        #expect(try option("type=registry,name=a,push=false").image.isPushed)
    }

    @Test(.proves("local (exporter)")) func `options of files are taken`() throws {
        #expect(try option("type=local,dest=x").files.splitsPlatforms == nil)
        #expect(try option("type=local,dest=x,platform-split=false").files.splitsPlatforms == false)
        #expect(try option("type=local,dest=x,mode=delete").files.deletesOthers)
        #expect(try option("type=local,dest=x,mode= Copy ").files.deletesOthers == false)
        #expect(try option("type=tar,dest=x,source-date-epoch=5").files.epoch == .time(FileTime(seconds: 5)))
        #expect(try option("type=local,dest=x,attestation-prefix=y").files.attestationPrefix == "y")
    }

    @Test(
        .proves("image, registry"),
        arguments: [
            ("type=image,push", "invalid value push"), ("type=,dest=x", "type is required for output"),
            (
                "type=image,push=maybe",
                "non-bool value specified for push: strconv.ParseBool: parsing \"maybe\": invalid syntax"
            ),
            (
                "type=image,oci-mediatypes=",
                "non-bool value specified for oci-mediatypes: strconv.ParseBool: parsing \"\": invalid syntax"
            ),
            (
                "type=oci,dest=x,tar=maybe",
                "non-bool value specified for tar: strconv.ParseBool: parsing \"maybe\": invalid syntax"
            ),
            (
                "type=image,compression=lz4",
                "unsupported compression type lz4; use uncompressed, gzip, estargz or zstd"
            ),
            ("type=image,compression-level=x", "non-integer value x specified for compression-level"),
            ("type=image,compression-level=10", "gzip: invalid compression level: 10; use 0 to 9"),
            (
                "type=image,compression-level=10,compression=estargz",
                "estargz: invalid compression level: 10; use 0 to 9"
            ),
            ("type=image,compression=zstd,compression-level=23", "zstd: invalid compression level: 23; use 0 to 22"),
            ("type=image,compression-level=-1", "gzip: invalid compression level: -1; use 0 to 9"),
            (
                "type=image,compression=estargz,oci-mediatypes=false",
                "exporter option \"compression=estargz\" conflicts with \"oci-mediatypes=false\""
            ),
            (
                "type=image,oci-artifact=true,oci-mediatypes=false",
                "exporter option \"oci-artifact=true\" conflicts with \"oci-mediatypes=false\""
            ),
            (
                "type=image,rewrite-timestamp=true,unpack=true",
                "exporter option \"rewrite-timestamp\" conflicts with \"unpack\""
            ),
            (
                "type=image,source-date-epoch=today",
                "invalid source-date-epoch: today is not a number of seconds since 1970"
            ),
            (
                "type=image,name=UPPER",
                "invalid reference format: repository name (UPPER) must be lowercase: \"UPPER\""
            ),
            (
                "type=image,annotation-layer.k=v",
                "unrecognized annotation type layer; use manifest, manifest-descriptor, index or index-descriptor"
            ),
            (
                "type=image,comression=gzip",
                "the output option \"comression\" is not supported by outputs of type image"
            ),
            ("type=oci,dest=x,push=true", "the output option \"push\" is not supported by outputs of type oci"),
            ("type=docker,context=other", "the output option \"context\" is not supported by outputs of type docker"),
            ("type=local,dest=x,name=y", "the output option \"name\" is not supported by outputs of type local"),
            ("type=tar,mode=copy", "the output option \"mode\" is not supported by outputs of type tar"),
            ("type=cacheonly,dest=x", "the output option \"dest\" is not supported by outputs of type cacheonly"),
            ("type=local,dest=x,mode=move", "invalid local exporter mode \"move\"; use copy or delete"),
            ("type=local", "dest is required for local exporter"),
            ("type=local,dest=-", "dest cannot be stdout for local exporter"),
            ("type=oci,tar=false", "dest is required for oci exporter"),
            ("type=docker,tar=false", "dest is required for docker exporter"),
        ]
    )
    func `a bad value is refused with its reason`(text: String, reason: String) throws {
        let error = try #require(throws: FlagValueError.self) { _ = try option(text) }
        #expect(error.reason == reason)
    }
}
