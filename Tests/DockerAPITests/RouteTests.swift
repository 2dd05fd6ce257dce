import DockerAPI
import Testing

/// Which requests of Docker's API are answered.
@Suite struct `The router` {
    /// Every endpoint of the API, as its reference lists them.
    private static let endpoints = """
        HEAD /_ping
        GET /_ping
        GET /version
        GET /info
        POST /auth
        GET /events
        GET /system/df
        GET /images/json
        GET /images/name/json
        GET /images/name/history
        GET /images/search
        POST /images/prune
        GET /images/name/attestations
        POST /images/create
        POST /images/name/push
        POST /images/name/tag
        DELETE /images/name
        GET /images/name/get
        GET /images/get
        POST /images/load
        GET /distribution/name/json
        POST /build
        POST /build/prune
        POST /build/cancel
        POST /session
        POST /grpc
        GET /containers/json
        POST /containers/create
        GET /containers/id/json
        GET /containers/id/logs
        GET /containers/id/top
        GET /containers/id/changes
        GET /containers/id/export
        GET /containers/id/stats
        POST /containers/id/start
        POST /containers/id/stop
        DELETE /containers/id
        POST /containers/id/restart
        POST /containers/id/kill
        POST /containers/id/pause
        POST /containers/id/unpause
        POST /containers/id/rename
        POST /containers/id/update
        POST /containers/id/resize
        POST /containers/id/wait
        POST /containers/prune
        POST /containers/id/attach
        GET /containers/id/attach/ws
        HEAD /containers/id/archive
        GET /containers/id/archive
        PUT /containers/id/archive
        POST /containers/id/exec
        POST /exec/id/start
        POST /exec/id/resize
        GET /exec/id/json
        POST /commit
        GET /networks
        POST /networks/create
        GET /networks/id
        DELETE /networks/id
        POST /networks/id/connect
        POST /networks/id/disconnect
        POST /networks/prune
        GET /volumes
        POST /volumes/create
        GET /volumes/name
        PUT /volumes/name
        DELETE /volumes/name
        POST /volumes/prune
        GET /swarm
        POST /swarm/init
        POST /swarm/join
        POST /swarm/leave
        POST /swarm/update
        GET /swarm/unlockkey
        POST /swarm/unlock
        GET /nodes
        GET /nodes/id
        DELETE /nodes/id
        POST /nodes/id/update
        GET /services
        POST /services/create
        GET /services/id
        DELETE /services/id
        POST /services/id/update
        GET /services/id/logs
        GET /tasks
        GET /tasks/id
        GET /tasks/id/logs
        GET /secrets
        POST /secrets/create
        GET /secrets/id
        DELETE /secrets/id
        POST /secrets/id/update
        GET /configs
        POST /configs/create
        GET /configs/id
        DELETE /configs/id
        POST /configs/id/update
        GET /plugins
        GET /plugins/privileges
        POST /plugins/pull
        POST /plugins/create
        GET /plugins/name/json
        DELETE /plugins/name
        POST /plugins/name/enable
        POST /plugins/name/disable
        POST /plugins/name/upgrade
        POST /plugins/name/push
        POST /plugins/name/set
        """.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }

    @Test func `answers every endpoint of the API`() {
        let missing = Self.endpoints.filter { RouteTable.find($0[0], $0[1]) == nil }
        #expect(missing == [])
    }

    @Test func `has no route that the API does not have`() {
        let known = Set(
            Self.endpoints.compactMap { RouteTable.find($0[0], $0[1]) }.map { "\($0.route.method) \($0.route.pattern)" }
        )
        #expect(RouteTable.all.map { "\($0.method) \($0.pattern)" }.filter { !known.contains($0) } == [])
        #expect(known.count == Self.endpoints.count)
    }

    @Test func `gives names the parts of the path that they stand for`() throws {
        let image = try #require(RouteTable.find("GET", "/images/host:5000/a/b:1/json"))
        #expect(image.values == ["name": "host:5000/a/b:1"])
        #expect(image.route.pattern == "/images/{name*}/json")
        let removal = try #require(RouteTable.find("DELETE", "/images/a/b/json"))
        #expect(removal.values == ["name": "a/b/json"])
        #expect(RouteTable.find("GET", "/images/get")?.route.pattern == "/images/get")
        #expect(RouteTable.find("GET", "/images/get/get")?.values == ["name": "get"])
        #expect(RouteTable.find("GET", "/containers/json")?.route.pattern == "/containers/json")
        #expect(RouteTable.find("GET", "/containers/json/json")?.values == ["id": "json"])
    }

    @Test(arguments: [
        "", "/", "//", "images/json", "/images", "/images/", "/images//json/", "/containers//json",
        "/containers/a/b/json",
        "/containers/a/json/", "/_ping/", "/exec/json", "/images/json/", "/./version",
    ])
    func `finds nothing for other paths`(path: String) {
        #expect(RouteTable.find("GET", path) == nil)
    }

    @Test func `finds nothing for other methods`() {
        for method in ["", "get", "PATCH", "OPTIONS", "TRACE", "HEAD"] {
            #expect(RouteTable.find(method, "/containers/json") == nil)
        }
    }
}
