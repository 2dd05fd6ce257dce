internal import GoTemplate
internal import Images
internal import LinuxSystem
internal import OCI
internal import Storage
internal import Terminal
internal import Text

/// `slipway images`.
struct ImagesCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "[REPOSITORY[:TAG]]",
        summary: "List images",
        arguments: .atMost(1),
        completion: .images
    )
    static let flags: [Flag<ImagesCommand>] = [
        .toggle("all", short: "a", \.all, help: "Show all images"),
        .toggle("digests", \.digests, help: "Show digests"),
        .filter(short: "f", \.filters),
        .format(\.format),
        .toggle("no-trunc", \.isWhole, help: "Don't truncate output"),
        .toggle("quiet", short: "q", \.isQuiet, help: "Only show image IDs"),
    ]

    var arguments: [[UInt8]] = []
    /// Accepted; this store keeps no intermediate images that it would hide.
    var all = false
    var digests = false
    var filters: [String] = []
    var format: String?
    var isWhole = false
    var isQuiet = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let now = environment.clock()
        var filters = filters
        if let reference = try textArguments().first { filters.append("reference=\(reference)") }
        let filter = try ImageFilter(parsing: filters, accepted: ImageFilter.forListing, now: now.seconds)
        let listing = Listing(try listingFormat(), type: "*formatter.imageContext", headers: Self.headers)
        let engine = try await environment.engine(freesSpace: true)
        let images = try await engine.images.list(filter)
        await engine.store.close()
        let rows = images.flatMap { image in names(of: image).map { row(image, $0, now: now) } }
        if isQuiet, format == nil || format == "table" {
            let ids = images.flatMap { image in names(of: image).map { _ in shown(image.id) } }
            try await environment.output.write(ids.map { $0 + "\n" }.joined())
        } else {
            try await listing.write(rows, to: environment.output)
        }
        return .success
    }

    private func listingFormat() throws -> ListingFormat {
        let name = [Listing.Column("Repository", "REPOSITORY"), Listing.Column("Tag", "TAG")]
        let digest = digests ? [Listing.Column("Digest", "DIGEST")] : []
        let facts = [
            Listing.Column("ID", "IMAGE ID"), Listing.Column("CreatedSince", "CREATED"), Listing.Column("Size", "SIZE"),
        ]
        return try ListingFormat(format, columns: name + digest + facts)
    }

    private static let headers = [
        "ID": "IMAGE ID", "Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", "CreatedSince": "CREATED",
        "CreatedAt": "CREATED AT", "Size": "SIZE", "Containers": "CONTAINERS", "SharedSize": "SHARED SIZE",
        "UniqueSize": "UNIQUE SIZE", "VirtualSize": "SIZE",
    ]

    private struct Name { var repository: String, tag: String, digest: String }

    /// One row a tag; without tags one a repository by digest; `<none>` where there is neither.
    private func names(of image: ImageSummary) -> [Name] {
        let none = "<none>"
        let wantsDigest = digests || (format?.contains(".Digest") ?? false) || (format?.contains("json") ?? false)
        let byRepository = Dictionary(image.repositoryDigests.map { ($0.repository, $0) }) { first, _ in first }
        func digest(in repository: String) -> String { byRepository[repository]?.digest?.description ?? none }
        let tagged = image.names.map { name in
            Name(
                repository: name.familiarRepository,
                tag: name.tag ?? none,
                digest: wantsDigest ? digest(in: name.repository) : none
            )
        }
        if !tagged.isEmpty { return tagged }
        let byDigest = image.repositoryDigests.map {
            Name(repository: $0.familiarRepository, tag: none, digest: $0.digest?.description ?? none)
        }
        return byDigest.isEmpty ? [Name(repository: none, tag: none, digest: none)] : byDigest
    }

    private func shown(_ id: Digest) -> String { isWhole ? id.description : id.short }

    private func row(
        _ image: ImageSummary,
        _ name: Name,
        now: FileTime
    ) -> (fields: [String: TemplateValue], methods: [String: TemplateRecord.Method]) {
        let created = image.created.map { FileTime(seconds: $0) }
        let size = ByteCount.decimal(image.size, digits: 3)
        let fields: [String: TemplateValue] = [
            "ID": .text(shown(image.id)), "Repository": .text(name.repository), "Tag": .text(name.tag),
            "Digest": .text(name.digest),
            "CreatedSince": .text(created.map { DurationText.ago($0, now: now) } ?? "N/A"),
            "CreatedAt": .text(created.map { TimeText.listing($0) } ?? "N/A"), "Size": .text(size),
            "VirtualSize": .text(size), "Containers": .text("\(image.containers)"),
            "SharedSize": .text(ByteCount.decimal(image.sharedSize, digits: 3)),
            "UniqueSize": .text(ByteCount.decimal(image.uniqueSize, digits: 3)),
        ]
        return (fields, [:])
    }
}
