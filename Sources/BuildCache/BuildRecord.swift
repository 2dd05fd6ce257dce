package import BuildGraph
package import OCI

/// The record of one build: what was asked, how it ended, and why each step ran or did not.
package struct BuildRecord: Hashable, Sendable, Codable {
    package enum Status: String, Hashable, Sendable, Codable {
        case completed, failed, canceled
    }

    package let id: String
    package let started: Timestamp
    package let completed: Timestamp
    package let status: Status
    /// What was built: the context's path and the Dockerfile's name.
    package let name: String
    package let imageID: Digest?
    /// The text of the error that ended the build.
    package let error: String?
    package let steps: [StepExplanation]
    /// When each step ran and what it took; nil in records of versions that did not keep that.
    package let timeline: [RecordedStep]?
    /// What is told the clients of a daemon; nil for a build that was not one's.
    package var client: ClientRecord?

    package init(
        id: String,
        started: Timestamp,
        completed: Timestamp,
        status: Status,
        name: String,
        imageID: Digest? = nil,
        error: String? = nil,
        steps: [StepExplanation] = [],
        timeline: [RecordedStep]? = nil,
        client: ClientRecord? = nil
    ) {
        self.id = id
        self.started = started
        self.completed = completed
        self.status = status
        self.name = name
        self.imageID = imageID
        self.error = error
        self.steps = steps
        self.timeline = timeline
        self.client = client
    }
}
