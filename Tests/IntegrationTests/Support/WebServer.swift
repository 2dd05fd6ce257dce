import Foundation
import Testing

/// A web server on a loopback port that serves a directory, misbehaves on demand, and serves git repositories.
///
/// - `/NAME`: the file of that name, with `ETag` and `Last-Modified`; a request with a matching condition gets 304
/// - `/to/PLACE`: redirects to PLACE, which is an address in percent-encoding
/// - `/named/NAME/FILE`: FILE, which a `Content-Disposition` calls NAME
/// - `/gzip/NAME`: the file compressed for the transfer, whoever asks
/// - `/undated/NAME`: the same without `Last-Modified`
/// - `/only/AUTHORIZATION/…`: the rest of the path, for those who send this `Authorization`, in percent-encoding
/// - `/stubborn/FILE`: FILE with its `ETag` whatever the conditions; to those who name that one the content never comes
/// - `/endless`: bytes without end
/// - `/git/REPOSITORY`: through `git http-backend`
final class WebServer: Sendable {
    /// One request as the server saw it.
    struct Seen: Decodable, Sendable {
        let method: String
        let path: String
        let headers: [String: String]
        let status: Int

        func header(_ name: String) -> String? { headers[name.lowercased()] }
    }

    let directory: URL
    let port: Int
    private let process: RunningProcess
    private let scratch: TemporaryDirectory

    var address: String { "http://127.0.0.1:\(port)" }

    private init(directory: URL, port: Int, process: RunningProcess, scratch: TemporaryDirectory) {
        self.directory = directory
        self.port = port
        self.process = process
        self.scratch = scratch
    }

    deinit { process.end() }

    static func start() async throws -> WebServer {
        let scratch = try TemporaryDirectory()
        try scratch.write(program, to: "server.py")
        let directory = scratch.url.appending(path: "files")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let portFile = scratch.url.appending(path: "port")
        let process = try RunningProcess(
            "python3",
            [scratch.url.appending(path: "server.py").path, directory.path, portFile.path, scratch.path + "/requests"],
            output: scratch.url.appending(path: "log").path
        )
        for _ in 0..<2400 {
            if let text = try? String(contentsOf: portFile, encoding: .utf8), let port = Int(text) {
                return WebServer(directory: directory, port: port, process: process, scratch: scratch)
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RegistryServer.NotReady()
    }

    /// Puts a file on the server.
    func put(_ content: String, at name: String, modified: String = "2020-02-02T02:02:02Z") throws {
        let file = directory.appending(path: name)
        try Data(content.utf8).write(to: file)
        try touch(name, modified)
    }

    /// Says when a file was changed.
    func touch(_ name: String, _ modified: String) throws {
        let date = try #require(ISO8601DateFormatter().date(from: modified))
        let path = directory.appending(path: name).path
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: path)
    }

    /// The requests so far, in their order.
    func requests() throws -> [Seen] {
        let file = scratch.url.appending(path: "requests")
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
        return try text.split(separator: "\n").map { try JSONDecoder().decode(Seen.self, from: Data($0.utf8)) }
    }

    private static let program = #"""
        import email.utils, gzip, hashlib, http.server, json, os, signal, subprocess, sys, threading, urllib.parse
        root, port_file, log_file = sys.argv[1:4]
        lock = threading.Lock()
        # Whoever starts this may have blocked the signal that is to end it.
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def note(self, status):
                headers = {name.lower(): value for name, value in self.headers.items()}
                line = json.dumps({"method": self.command, "path": self.path, "headers": headers, "status": status})
                with lock, open(log_file, "a") as log:
                    log.write(line + "\n")

            def answer(self, status, headers=(), body=b""):
                self.note(status)
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                if status != 304:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def allowed(self):
                path, _, query = self.path.partition("?")
                if path.startswith("/only/"):
                    _, _, wanted, path = path.split("/", 3)
                    path = "/" + path
                    if self.headers.get("Authorization") != urllib.parse.unquote(wanted):
                        self.rfile.read(int(self.headers.get("Content-Length") or 0))
                        self.answer(401, [("WWW-Authenticate", 'Basic realm="x"')], b"who are you?")
                        return None, None
                return path, query

            def do_GET(self):
                path, query = self.allowed()
                if path is None:
                    return
                if path.startswith("/git/"):
                    return self.git(path[4:], query)
                if path.startswith("/to/"):
                    return self.answer(302, [("Location", urllib.parse.unquote(path[4:]))])
                if path == "/endless":
                    return self.endless()
                headers = []
                if path.startswith("/named/"):
                    _, _, name, path = path.split("/", 3)
                    name = urllib.parse.unquote(name)
                    headers.append(("Content-Disposition", 'attachment; filename="%s"' % name))
                undated = path.startswith("/undated/")
                encoded = path.startswith("/gzip/")
                path = path.removeprefix("/gzip")
                stubborn = path.startswith("/stubborn/")
                path = path.removeprefix("/undated").removeprefix("/stubborn")
                file = os.path.join(root, os.path.normpath("/" + urllib.parse.unquote(path)).lstrip("/"))
                if not os.path.isfile(file):
                    return self.answer(404, (), b"not here")
                with open(file, "rb") as content:
                    body = content.read()
                if encoded:
                    headers.append(("Content-Encoding", "gzip"))
                    body = gzip.compress(body, mtime=0)
                tag = '"%s"' % hashlib.sha256(body).hexdigest()[:20]
                date = email.utils.formatdate(os.stat(file).st_mtime, usegmt=True)
                headers.append(("ETag", tag))
                if not undated:
                    headers.append(("Last-Modified", date))
                if self.headers.get("If-None-Match") == tag:
                    return self.withhold(headers, len(body)) if stubborn else self.answer(304, headers)
                self.answer(200, headers, body)

            do_HEAD = do_GET

            def do_POST(self):
                path, query = self.allowed()
                if path is not None:
                    self.git(path[4:], query)

            def withhold(self, headers, length):
                self.note(200)
                self.send_response(200)
                for name, value in headers + [("Content-Length", str(length))]:
                    self.send_header(name, value)
                self.end_headers()
                # Until the client has had enough of it.
                self.rfile.read(1)

            def endless(self):
                self.note(200)
                self.send_response(200)
                self.send_header("Connection", "close")
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(b"x" * 65536)
                except OSError:
                    pass

            def git(self, path, query):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while True:
                        size = int(self.rfile.readline(), 16)
                        body += self.rfile.read(size)
                        self.rfile.readline()
                        if size == 0:
                            break
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                environment = {
                    "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": root, "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type") or "", "CONTENT_LENGTH": str(len(body)),
                    "REMOTE_ADDR": "127.0.0.1",
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
                    "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
                }
                ran = subprocess.run(["git", "http-backend"], input=body, stdout=subprocess.PIPE, env=environment)
                head, _, rest = ran.stdout.partition(b"\r\n\r\n")
                headers = [line.decode().split(": ", 1) for line in head.split(b"\r\n") if line]
                status = 200
                for name, value in headers:
                    if name == "Status":
                        status = int(value.split()[0])
                self.answer(status, [header for header in headers if header[0] != "Status"], rest)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        with open(port_file + ".new", "w") as out:
            out.write(str(server.server_address[1]))
        os.rename(port_file + ".new", port_file)
        server.serve_forever()
        """#
}
