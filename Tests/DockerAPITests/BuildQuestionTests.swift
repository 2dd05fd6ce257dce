import BuildKitProto
import DockerAPI
import Testing

/// Reads the query of `POST /build`.
private func question(_ query: String) throws -> BuildQuestion { try BuildQuestion(try FormQuery(parsing: query)) }

struct BuildQuestionTests {
    @Test func `the parameters become attributes of the frontend`() throws {
        let request = try question(
            "version=2&session=s1&remote=client-session&dockerfile=a%2Fb.Dockerfile&target=final&nocache=1&pull=1"
                + "&platform=linux%2Farm64&networkmode=none&buildargs=%7B%22A%22%3A%22x+y%22%2C%22B%22%3Anull%7D"
                + "&labels=%7B%22l%22%3A%22%22%7D&cachefrom=%5B%22one%22%2C%22two%22%5D"
                + "&extrahosts=db%3A10.0.0.1&extrahosts=v6%3A%3A%3A1"
        ).request
        #expect(request.session == "s1")
        #expect(request.frontend == "dockerfile.v0")
        #expect(
            request.frontendAttrs == [
                "filename": "a/b.Dockerfile", "target": "final", "no-cache": "", "image-resolve-mode": "pull",
                "platform": "linux/arm64", "force-network-mode": "none", "build-arg:A": "x y", "label:l": "",
                "cache-from": "one,two", "add-hosts": "db=10.0.0.1,v6=::1",
            ]
        )
    }

    @Test func `without outputs the image is kept under the names of all tags`() throws {
        let asked = try question("version=2&t=a%3A1&t=b&remote=client-session")
        #expect(asked.keepsImage)
        #expect(asked.request.exporters.map(\.type) == ["moby"])
        #expect(asked.request.exporters.first?.attrs == ["name": "a:1,b"])
    }

    @Test func `an output of the client's takes the place of the image`() throws {
        let asked = try question(
            "version=2&t=a&outputs=%5B%7B%22Type%22%3A%22local%22%2C%22Attrs%22%3A%7B%22dest%22%3A%22x%22%7D%7D%5D"
        )
        #expect(!asked.keepsImage)
        #expect(asked.request.exporters.map(\.type) == ["local"])
        #expect(asked.request.exporters.first?.attrs == [:])
        let none = try question("version=2&outputs=%5B%7B%22Type%22%3A%22cacheonly%22%7D%5D")
        #expect(none.request.exporters.isEmpty)
    }

    @Test func `an address is the context, and the client's session is not`() throws {
        #expect(
            try question("version=2&remote=https%3A%2F%2Fexample.com%2Fr.git").request.frontendAttrs["context"]
                == "https://example.com/r.git"
        )
        #expect(try question("version=2&remote=client-session").request.frontendAttrs["context"] == nil)
        #expect(try question("version=2&remote=client-session").context == .session)
        #expect(try question("version=2").context == .body)
    }

    @Test func `an archive comes in a request of its own that names its build`() throws {
        #expect(try question("version=2&buildid=b1&remote=upload-request").context == .otherRequest)
        func build(_ query: String) throws -> String? {
            BuildQuestion.build(waitingForContextOf: try FormQuery(parsing: query))
        }
        #expect(try build("version=2&buildid=upload-request%3Ab1") == "b1")
        #expect(try build("version=2&buildid=b1&remote=upload-request") == nil)
    }

    @Test func `limits of steps are kept, and zeros are none`() throws {
        let attributes = try question(
            "version=2&memory=1048576&cpuquota=0&shmsize=67108864"
                + "&ulimits=%5B%7B%22Name%22%3A%22nofile%22%2C%22Hard%22%3A20%2C%22Soft%22%3A10%7D%5D"
        ).request.frontendAttrs
        #expect(attributes["memory"] == "1048576")
        #expect(attributes["cpuquota"] == nil)
        #expect(attributes["shm-size"] == "67108864")
        #expect(attributes["ulimit"] == "nofile=10:20")
    }

    @Test func `the host's network is an entitlement that the daemon may refuse`() throws {
        #expect(try question("version=2&networkmode=host").request.entitlements == ["network.host"])
        #expect(try question("version=2").request.entitlements.isEmpty)
    }

    @Test(arguments: [
        ("remote=client-session", DockerAPIError.classicBuilder),
        ("version=3", .invalidBuilderVersion("3")),
        ("version=2&squash=1", .squash),
        ("version=2&securityopt=x", .securityOptions),
        ("version=2&isolation=hyperv", .unsupportedIsolation("hyperv")),
        ("version=2&networkmode=container%3Ax", .unsupportedNetwork("container:x")),
        ("version=2&extrahosts=db", .invalidHost("db")),
        ("version=2&outputs=%5B%7B%7D%2C%7B%7D%5D", .severalOutputs),
        ("version=2&buildargs=%7B", .invalidJSON(parameter: "buildargs", reason: "it is not JSON")),
        ("version=2&target=%4", .invalidQuery("%4")),
        ("version=2&memory=much", .invalidNumber(parameter: "memory", value: "much")),
    ])
    func `what Docker's engine refuses is refused`(query: String, error: DockerAPIError) {
        #expect(throws: error) { try question(query) }
    }
}

struct FormQueryTests {
    @Test func `pluses are blanks, escapes are bytes and values repeat`() throws {
        let query = try FormQuery(parsing: "a=1+2&a=%C3%A4&b&c=x=y")
        #expect(query.all("a") == ["1 2", "ä"])
        #expect(query["a"] == "1 2")
        #expect(query.all("b") == [""])
        #expect(query["c"] == "x=y")
        #expect(query.all("d").isEmpty)
    }

    @Test(arguments: ["0", "no", "False", "none", ""])
    func `the words for no are no`(word: String) throws { #expect(try !FormQuery(parsing: "q=\(word)").truth("q")) }

    @Test(arguments: ["1", "true", "yes", "x"])
    func `every other word is yes`(word: String) throws { #expect(try FormQuery(parsing: "q=\(word)").truth("q")) }
}

struct MessageLineTests {
    private func text(_ line: MessageLine) -> String { String(decoding: line.bytes, as: UTF8.self) }

    @Test func `a trace is a message in base64 on a line`() {
        #expect(text(.trace([0x0a, 0xff])) == #"{"id":"moby.buildkit.trace","aux":"Cv8="}"# + "\r\n")
    }

    @Test func `the id of an image is told as an object`() {
        #expect(text(.image("sha256:ab")) == #"{"id":"moby.image.id","aux":{"ID":"sha256:ab"}}"# + "\r\n")
    }

    @Test func `a failure is told twice, for old clients and new`() {
        #expect(text(.failure("no \"x\"")) == #"{"errorDetail":{"message":"no \"x\""},"error":"no \"x\""}"# + "\r\n")
    }
}

struct APIVersionTests {
    @Test func `versions are compared number by number`() {
        #expect(APIVersion(parsing: "1.9") < APIVersion(parsing: "1.41"))
        #expect(APIVersion(parsing: "1.41") < APIVersion(parsing: "1.41.1"))
        #expect(!(APIVersion(parsing: "1.41") < APIVersion(parsing: "1.41")))
        #expect(APIVersion(parsing: "2") > APIVersion(parsing: "1.99"))
    }
}
