import DockerfileFrontend
import OCI
import Testing

/// Whole plans as text: what BuildKit makes of the same files, apart from digests.
@Suite struct `Whole plans` {
    /// A plan without its digests, which the LLB tests cover.
    private func text(_ plan: BuildPlan) -> String {
        plan.dump.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            var words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            if line.hasPrefix("#") { words.remove(at: 1) }
            if line.hasPrefix("step: ") { words.remove(at: 1) }
            return words.map { $0.split(separator: "@sha256:", omittingEmptySubsequences: false)[0] }.joined(
                separator: " "
            )
        }
        .joined(separator: "\n")
    }

    @Test func `of the tutorial`() async throws {
        let dockerfile = """
            FROM python:3-alpine
            WORKDIR /usr/src/app
            COPY ./assets .
            EXPOSE 8000
            RUN pip install -qr requirements.txt
            CMD ["python3", "./server.py"]
            """
        let made = try await plan(dockerfile, images: Images(["docker.io/library/python:3-alpine": image()]))
        #expect(
            text(made) == """
                #1 [linux/amd64] source docker-image://docker.io/library/python:3-alpine
                    title: [1/4] FROM docker.io/library/python:3-alpine
                #2 [linux/amd64] file
                    0: on #1 mkdir /usr/src/app mode 755 -> [0]
                    title: [2/4] WORKDIR /usr/src/app
                #3 source local://context
                    local.followpaths = ["assets"]
                    local.sharedkeyhint = context
                    title: [internal] load build context
                #4 [linux/amd64] file
                    0: on #2 copy /assets /usr/src/app/ from #3 -> [0]
                    title: [3/4] COPY ./assets .
                #5 [linux/amd64] exec
                    arg /bin/sh
                    arg -c
                    arg pip install -qr requirements.txt
                    env PATH=/usr/bin:/bin
                    env BASE=yes
                    cwd /usr/src/app
                    mount / <- #4 -> [0]
                    title: [4/4] RUN pip install -qr requirements.txt
                target: #5
                platform: linux/amd64
                image: docker.io/library/python:3-alpine sha256:\(digest("docker.io/library/python:3-alpine"))
                history: ADD rootfs.tar / # buildkit
                history: WORKDIR /usr/src/app
                history: COPY ./assets . # buildkit
                history: EXPOSE [8000/tcp] (empty)
                history: RUN /bin/sh -c pip install -qr requirements.txt # buildkit
                history: CMD ["python3" "./server.py"] (empty)
                step: 0/0 line 1
                step: 0/1 line 2
                step: 0/2 line 3
                step: 0/3 line 5

                """
        )
    }

    @Test func `of several stages, of which one is not needed`() async throws {
        let dockerfile = """
            ARG VERSION=1.22
            FROM --platform=$BUILDPLATFORM golang:${VERSION} AS build
            ARG TARGETARCH
            WORKDIR /src
            COPY go.mod go.sum ./
            COPY . .
            RUN --mount=type=cache,target=/root/.cache GOARCH=$TARGETARCH go build -o /out/app
            FROM alpine AS lint
            RUN lint
            FROM scratch
            COPY --from=build --chown=1000:1000 --chmod=755 /out/app /app
            USER 1000
            ENTRYPOINT ["/app"]
            """
        let images = Images(["docker.io/library/golang:1.22": image()])
        let made = try await plan(dockerfile, images: images)
        #expect(
            text(made) == """
                #1 [linux/amd64] source docker-image://docker.io/library/golang:1.22
                    title: [build 1/5] FROM docker.io/library/golang:1.22
                #2 [linux/amd64] file
                    0: on #1 mkdir /src mode 755 -> [0]
                    title: [build 2/5] WORKDIR /src
                #3 source local://context
                    local.sharedkeyhint = context
                    title: [internal] load build context
                #4 [linux/amd64] file
                    0: on #2 copy /go.mod /src/ from #3
                    1: on action 0 copy /go.sum /src/ from #3 -> [0]
                    title: [build 3/5] COPY go.mod go.sum ./
                #5 [linux/amd64] file
                    0: on #4 copy / /src/ from #3 -> [0]
                    title: [build 4/5] COPY . .
                #6 [linux/amd64] exec
                    arg /bin/sh
                    arg -c
                    arg GOARCH=$TARGETARCH go build -o /out/app
                    env PATH=/usr/bin:/bin
                    env BASE=yes
                    env TARGETARCH=amd64
                    cwd /src
                    mount / <- #5 -> [0]
                    mount /root/.cache <- cache //root/.cache shared from scratch
                    title: [build 5/5] RUN --mount=type=cache,target=/root/.cache GOARCH=amd64 go build -o /out/app
                #7 [linux/amd64] file
                    0: on scratch copy /out/app /app from #6 mode 755 owner 1000:1000 -> [0]
                    title: [stage-2 1/1] COPY --from=build --chown=1000:1000 --chmod=755 /out/app /app
                target: #7
                platform: linux/amd64
                image: docker.io/library/golang:1.22 sha256:\(digest("docker.io/library/golang:1.22"))
                history: COPY --chown=1000:1000 --chmod=755 /out/app /app # buildkit
                history: USER 1000 (empty)
                history: ENTRYPOINT ["/app"] (empty)
                step: build/0 line 2
                step: build/1 line 4
                step: build/2 line 5
                step: build/3 line 6
                step: build/4 line 7
                step: 2/1 line 11

                """
        )
        // The stage that is not needed has not been looked up.
        #expect(images.questions == ["docker.io/library/golang:1.22 linux/amd64"])
    }
}

private func digest(_ name: String) -> String { Digest.sha256(of: bytes(name)).hex }
