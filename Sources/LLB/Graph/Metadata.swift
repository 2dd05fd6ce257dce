/// How a node is shown and treated.
///
/// It is not part of the node's digest.
package struct Metadata: Hashable, Sendable {
    /// Free annotations; `llb.customname` is the title of the step.
    package var description: [String: [UInt8]]
    /// Run the operation even where the cache knows its result.
    package var ignoresCache: Bool
    /// Gathers several nodes under one line of the display.
    package var progressGroup: ProgressGroup?
    /// Whether the result is meant for cache export; nil if unspecified.
    package var exportsCache: Bool?
    /// What the reader of the definition must support.
    package var capabilities: [String: Bool]
    package var resources: Resources?

    package static let customName = "llb.customname"

    package init(
        name: [UInt8]? = nil,
        description: [String: [UInt8]] = [:],
        ignoresCache: Bool = false,
        progressGroup: ProgressGroup? = nil
    ) {
        self.description = description
        self.ignoresCache = ignoresCache
        self.progressGroup = progressGroup
        exportsCache = nil
        capabilities = [:]
        if let name { self.description[Self.customName] = name }
    }

    /// The title of the step, if it was given one.
    package var name: [UInt8]? { description[Self.customName] }
}

/// A named group of steps for the display.
package struct ProgressGroup: Hashable, Sendable {
    package var id: String
    package var name: [UInt8]
    /// Whether the group gives way to the display of its single steps.
    package var isWeak: Bool

    package init(id: String, name: [UInt8], isWeak: Bool = false) {
        self.id = id
        self.name = name
        self.isWeak = isWeak
    }
}

/// Limits on what a step may use; zero means none.
///
/// Memory in bytes, periods and quotas in microseconds; processors and memory nodes as `0-2,4`. Memory and swap may be -1, no limit
/// of swap.
package struct Resources: Hashable, Sendable {
    package var memory: Int64 = 0
    package var memoryAndSwap: Int64 = 0
    package var processorShares: UInt64 = 0
    package var processorPeriod: UInt64 = 0
    package var processorQuota: Int64 = 0
    package var processors = ""
    package var memoryNodes = ""

    package init() {}
}
