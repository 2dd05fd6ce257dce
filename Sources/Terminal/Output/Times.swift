package import LinuxSystem

/// Spans of time as people read them.
package enum DurationText {
    /// A rough length, as `About a minute` or `2 weeks`.
    package static func rough(seconds: Int64) -> String {
        switch seconds {
        case ..<1: return "Less than a second"
        case 1: return "1 second"
        case ..<60: return "\(seconds) seconds"
        default: break
        }
        let minutes = seconds / 60
        if minutes == 1 { return "About a minute" }
        if minutes < 60 { return "\(minutes) minutes" }
        let hours = (seconds + 1800) / 3600
        if hours == 1 { return "About an hour" }
        if hours < 48 { return "\(hours) hours" }
        if hours < 24 * 14 { return "\(hours / 24) days" }
        if hours < 24 * 60 { return "\(hours / 24 / 7) weeks" }
        if hours < 24 * 365 * 2 { return "\(hours / 24 / 30) months" }
        return "\(seconds / 3600 / 24 / 365) years"
    }

    /// How long ago something was, as `2 weeks ago`.
    package static func ago(_ time: FileTime, now: FileTime) -> String {
        rough(seconds: now.seconds - time.seconds) + " ago"
    }
}

/// Points in time as Docker prints them.
package enum TimeText {
    /// As `2021-03-04 03:24:42 +0100 CET`, in local time.
    package static func listing(_ time: FileTime) -> String {
        let local = time.inLocalTime
        return "\(local.dateText) \(local.clockText) \(local.offsetText(separator: "")) \(local.zone)"
    }

    /// RFC 3339 in local time, as `2021-03-04T03:24:42+01:00`.
    package static func local(_ time: FileTime) -> String {
        let local = time.inLocalTime
        return "\(local.dateText)T\(local.clockText)" + (local.offset == 0 ? "Z" : local.offsetText(separator: ":"))
    }
}
