import LinuxSystem
import OCI

extension ImageConfiguration {
    /// The configuration as it would have been made at a time: its own steps are of that time.
    /// - Parameters:
    ///   - time: when.
    ///   - base: the configuration that it goes on from, whose steps keep their times.
    /// - Returns: the configuration with its times.
    func made(at time: FileTime, on base: ImageConfiguration?) -> ImageConfiguration {
        var changed = clamped(to: time, on: base)
        changed.created = time.rfc3339
        return changed
    }

    /// The configuration in which nothing of its own is later than a time.
    /// - Parameters:
    ///   - time: the latest.
    ///   - base: the configuration that it goes on from, whose steps keep their times.
    /// - Returns: the configuration with its times.
    func clamped(to time: FileTime, on base: ImageConfiguration?) -> ImageConfiguration {
        func isLater(_ text: String?) -> Bool {
            text.flatMap { FileTime(rfc3339: $0) }.map { $0 > time } ?? true
        }
        var changed = self
        if isLater(created) { changed.created = time.rfc3339 }
        let own = history ?? []
        let kept = zip(own, base?.history ?? []).prefix { $0 == $1 }.count
        for index in own.indices.dropFirst(kept) where isLater(own[index].created) {
            changed.history?[index].created = time.rfc3339
        }
        return changed
    }
}
