package import Storage

extension ContainerStore {
    /// What has happened to containers, and to whatever else the store keeps.
    package var journal: EventJournal { store.journal }

    /// Tells of what was done to a container.
    func tell(_ action: ContainerAction, of record: ContainerRecord, _ more: [String: String] = [:]) async {
        let own = ["image": record.configuration.imageName, "name": record.name]
        let attributes = record.configuration.labels.merging(own) { $1 }.merging(more) { $1 }
        await journal.append(StoreEvent(.container, action.rawValue, of: record.id, attributes))
    }

    /// Tells of what was done to one more process of a container.
    package func tellOfExec(
        _ action: ContainerAction,
        of record: ContainerRecord,
        id: String,
        command: [String],
        _ more: [String: String] = [:]
    ) async {
        // Docker's word has the command behind it.
        let word = action.rawValue + (command.isEmpty ? "" : ": " + command.joined(separator: " "))
        let own = ["image": record.configuration.imageName, "name": record.name, "execID": id]
        let attributes = record.configuration.labels.merging(own) { $1 }.merging(more) { $1 }
        await journal.append(StoreEvent(.container, word, of: record.id, attributes))
    }

    /// Tells that files of a container were read or written.
    package func tellOfFiles(_ action: ContainerAction, of record: ContainerRecord) async {
        await tell(action, of: record)
    }

    /// Tells that a client has attached to a container.
    package func tellOfAttachment(to record: ContainerRecord) async { await tell(.attach, of: record) }
}

/// What is told of containers, by docker's names.
package enum ContainerAction: String, Sendable, Hashable {
    case create, start, die, destroy, kill, stop, restart, rename, attach, detach, resize
    case createExec = "exec_create"
    case startExec = "exec_start"
    case endExec = "exec_die"
    case archivePath = "archive-path"
    case extractToDirectory = "extract-to-dir"
    /// It could not be started, of which docker tells nothing: those who wait for it stop waiting.
    case startFailed = "start-failed"
}
