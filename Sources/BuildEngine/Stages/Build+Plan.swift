import BuildGraph
import DockerfileFrontend
import DockerfileSyntax
import LLB
import LinuxSystem
import OCI
import Sandboxes
import Text

/// Planning: once for each platform, at the same time.
extension Build {
    /// What is to be done for each platform of the request, in its order.
    func plan(_ sources: BuildSources) async throws -> [BuildPlan] {
        let resolver = ReportingResolver(self)
        let platforms: [Platform?] = request.platforms.isEmpty ? [nil] : request.platforms
        let plans = try await withThrowingTaskGroup(of: (index: Int, plan: BuildPlan).self) { group in
            for (index, platform) in platforms.enumerated() {
                let warns = index == 0 || !request.warnsOfFirstPlatformOnly
                group.addTask { (index, try await plan(sources, for: platform, resolver, warns: warns)) }
            }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.index < $1.index }.map(\.plan)
        }
        if let plan = plans.first { warnOfUnusedArguments(plan) }
        return plans
    }

    /// What is to be done for one platform.
    func plan(
        _ sources: BuildSources,
        for platform: Platform?,
        _ resolver: ReportingResolver,
        warns: Bool = true
    ) async throws -> BuildPlan {
        var options = options(sources.ignoreFile, for: platform, in: sources.context)
        options.dockerfileGraph = try dockerfileGraph(sources.context)?.marshalled()
        return try await translate(sources.dockerfile, options: options, resolver: resolver) {
            if warns { warn($0, in: sources.dockerfile.source) }
        }
    }

    /// BuildKit says nothing of a misspelt `--build-arg`; the builder before it did, in these words.
    private func warnOfUnusedArguments(_ plan: BuildPlan) {
        let names = plan.unusedBuildArguments.map { escapedForDisplay($0) }
        if names.isEmpty { return }
        progress.warn("One or more build-args [\(names.joined(separator: " "))] were not consumed")
    }

    /// What the frontend is asked for, for one platform.
    func options(_ ignoreFile: IgnoreFile?, for platform: Platform?, in context: BuildContext) -> BuildOptions {
        var options = BuildOptions()
        options.target = request.target.map { String(decoding: $0, as: UTF8.self) }
        options.buildArguments = Variables(request.buildArguments)
        options.labels = Dictionary(
            request.labels.map {
                (String(decoding: $0.name, as: UTF8.self), String(decoding: $0.value, as: UTF8.self))
            },
            uniquingKeysWith: { $1 }
        )
        options.platform = platform
        options.namesFrontend = request.namesFrontend
        options.isMultiPlatform = request.isMultiPlatform
        if !request.uncachedStages.isEmpty { options.cacheBypass = .stages(request.uncachedStages) }
        if request.ignoresCache { options.cacheBypass = .everywhere }
        options.context = context.node
        if let name = request.context.offeredName {
            options.contextName = name
            options.contextSession = request.localSessions[name] ?? []
        }
        options.namedContexts = context.named
        options.ignoreFile = ignoreFile
        options.extraHosts = request.extraHosts.map { HostAddress(host: $0.name, address: $0.address) }
        request.applyRunLimits(to: &options)
        options.deviceObstacle = { obstacle(to: $0) }
        options.sourceTime = { try await namedTime(of: $0) }
        return options
    }

    /// Why steps cannot have a device.
    private func obstacle(to device: LLB.Device) -> String? {
        let name = String(decoding: device.name, as: UTF8.self)
        do throws(DeviceError) {
            _ = try devices.devices(for: [(name, device.isOptional)], request.deviceGrants)
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// The time of what `SOURCE_DATE_EPOCH` names.
    private func namedTime(of date: SourceDate) async throws -> Int64? {
        if let time = try await time(of: date) { return time.seconds }
        let text = "SOURCE_DATE_EPOCH is ignored: its source has no time; commits and files of web servers have one"
        if notices.isNew(text) { progress.warn(text) }
        return nil
    }
}
