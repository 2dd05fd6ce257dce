internal import BuildKitProto
internal import BuildKitService
internal import RPC
internal import SwiftProtobuf

extension DockerDoor {
    /// How many bytes of a quiet build's progress are kept for the case that it fails.
    private static let quietLimit = 4 << 20

    /// `POST /build`: answers with what the build does, line by line.
    func build(_ call: DockerCall) async throws -> WebAnswer {
        if let build = BuildQuestion.build(waitingForContextOf: call.query) {
            try await uploads.offer(call.body, toBuild: build)
            return WebAnswer(status: 200)
        }
        let question = try BuildQuestion(call.query)
        if question.request.session.isEmpty, question.context == .session { throw DockerAPIError.noContext }
        // From the first line on the answer is a success, whatever becomes of the build.
        if !question.request.session.isEmpty { try await server.requireSession(question.request.session) }
        return WebAnswer.streaming { writer in
            do {
                try await builds.run(question.id) {
                    try await withUpload(for: question, call.body) { try await answer(question, $0, to: writer) }
                }
            } catch {
                // A client that is gone reads nothing; one that cancelled its build waits for the end.
                try await writer.write(MessageLine.failure(serviceFailure(error).message).bytes)
            }
        }
    }

    /// Carries a build out with the context that requests bring; nil where it comes from elsewhere.
    private func withUpload(
        for question: BuildQuestion,
        _ body: WebBody,
        _ build: (Upload?) async throws -> Void
    ) async throws {
        switch question.context {
        case .session, .address: try await build(nil)
        case .body: try await build(Upload(body))
        case .otherRequest: try await uploads.withUpload(forBuild: question.id, build)
        }
    }

    private func answer(_ question: BuildQuestion, _ upload: Upload?, to writer: WebWriter) async throws {
        let held = HeldLines(limit: Self.quietLimit)
        let answer: Moby_Buildkit_V1_SolveResponse
        do {
            answer = try await server.solve(question.request(readingContextFrom: upload), upload: upload) { status in
                let line = MessageLine.trace(try status.serializedBytes()).bytes
                if question.isQuiet { held.add(line) } else { try await writer.write(line) }
            }
        } catch {
            for line in held.take() { try await writer.write(line) }
            throw error
        }
        guard question.keepsImage, let id = answer.exporterResponse["containerimage.digest"] else { return }
        try await writer.write((question.isQuiet ? .text(id + "\n") : MessageLine.image(id)).bytes)
    }

    /// `POST /build/cancel`.
    func cancelBuild(_ call: DockerCall) throws -> WebAnswer {
        let id = call.query["id"]
        if id.isEmpty { throw DockerAPIError.noBuildID }
        builds.cancel(id)
        return WebAnswer(status: 200, headers: [("Content-Type", "application/json")])
    }
}
