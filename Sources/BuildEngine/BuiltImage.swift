import DockerfileFrontend
import Exporters
import LinuxSystem
import OCI
import Snapshots

/// What was built for one platform.
struct BuiltImage: Sendable {
    let plan: BuildPlan
    let tree: FileTree
    /// The time that the build says it is of (`SOURCE_DATE_EPOCH`).
    let time: FileTime?
    /// The solve that it came of, whose steps an inline cache holds.
    let solved: SolvedBuild

    var platform: Platform { plan.configuration.platform.normalized }

    /// Where its files go among those of other platforms: `linux_arm64`.
    var directory: String { platform.description.replacing("/", with: "_") }

    /// The time that an output says nothing may be later than.
    func epoch(_ asked: ExportEpoch?) -> FileTime? {
        switch asked {
        case nil: time
        case .some(.none): nil
        case .time(let time)?: time
        }
    }
}
