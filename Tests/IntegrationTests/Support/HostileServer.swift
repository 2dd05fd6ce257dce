import Foundation

/// A server that answers each request with bytes that no server should send, the same for the same requests.
final class HostileServer: Sendable {
    let host: String
    private let process: RunningProcess
    private let scratch: TemporaryDirectory

    private init(port: Int, process: RunningProcess, scratch: TemporaryDirectory) {
        host = "127.0.0.1:\(port)"
        self.process = process
        self.scratch = scratch
    }

    deinit { process.end() }

    static func start() async throws -> HostileServer {
        let scratch = try TemporaryDirectory()
        try scratch.write(program, to: "server.py")
        let portFile = scratch.path + "/port"
        let process = try RunningProcess(
            "python3",
            [scratch.path + "/server.py", portFile],
            output: scratch.path + "/log"
        )
        for _ in 0..<1200 {
            if let text = try? String(contentsOfFile: portFile, encoding: .utf8), let port = Int(text) {
                return HostileServer(port: port, process: process, scratch: scratch)
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RegistryServer.NotReady()
    }

    private static let program = #"""
        import collections, os, random, socketserver, sys, threading

        lock, asked = threading.Lock(), collections.Counter()

        def answer(numbers, path):
            pick, one_in = numbers.choice, lambda count: numbers.randrange(count) == 0
            number = pick(["-1", "0", "1", "9" * 20, "9223372036854775807", "0x5", "5, 5", ""])
            out = b""
            if one_in(4): out += b"HTTP/1.1 103 Early\r\nLink: <x>\r\n\r\n" * pick([1, 3, 40, 500])
            out += pick(["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "ICY", ""]).encode() + b" "
            out += pick(["000", "099", "101", "103", "199", "200", "200", "201", "202", "204", "206", "301", "304",
                         "307", "400", "401", "404", "416", "600", "999", "1000", "-20", ""]).encode()
            out += pick([b" OK", b"", b" " + b"x" * 9000, b" \x1b[2J\x1b]0;x\x07"]) + b"\r\n"
            headers = ["Content-Type: application/vnd.oci.image.manifest.v1+json", "Content-Type: text/html; \ufffd",
                       "Docker-Content-Digest: sha256:" + number, "Range: 0-" + number, "Location: " + path,
                       "Location: //", "Location: http://[::1", "Location: " + "/.." * 4000, "Content-Encoding: gzip", "Upgrade: h2c",
                       "Connection: upgrade", 'WWW-Authenticate: Bearer realm="\\",,,=,"\\', ": no name", "X Y: blank",
                       "X-Zero: \0", "X-Long: " + "y" * 100000, 
                       'Content-Disposition: attachment; filename="../' + number]
            for _ in range(pick([0, 1, 2, 3, 300])): out += pick(headers).encode() + b"\r\n"
            body = pick([b"", b"{", b"[]", b"[" * 5000, b'{"schemaVersion":2,"layers":[{"size":-1}]}', 
                         b"\0\0\x12\4\0\0\0\0\0", b'{"errors":[{"code":7,"message":{}}]}', b'{"token":"t","expires_in":-9223372036854775808}',
                         b"HTTP/1.1 200 OK\r\n\r\n", b"\x1b[31mred" * 100])
            if one_in(2):
                length = pick([str(len(body)), str(len(body) + 1), "0", "-5", "9223372036854775808"])
                out += b"Content-Length: " + length.encode() + b"\r\n\r\n" + body
            else:
                out += b"Transfer-Encoding: " + pick([b"chunked", b"gzip, chunked", b"chunked, chunked"]) + b"\r\n\r\n"
                for _ in range(pick([0, 1, 3])):
                    size = pick(["%x" % len(body), "f" * 16, "8" + "0" * 15, "-1", "0x3", "", "3;" + "e" * 20000])
                    out += size.encode() + b"\r\n" + body + pick([b"\r\n", b"", b"\n"])
                out += pick([b"0\r\n\r\n", b"0\r\n:\r\n\r\n", b"", b"0"])
            if one_in(3): out = out[: numbers.randrange(len(out) + 1)]
            return out

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                head = b""
                while b"\r\n\r\n" not in head:
                    more = self.request.recv(65536)
                    if not more: return
                    head += more
                line = head.split(b"\r\n")[0].decode("latin-1")
                with lock:
                    asked[line] += 1
                    numbers = random.Random("%s %d" % (line, asked[line]))
                words = line.split(" ")
                try: self.request.sendall(answer(numbers, words[1] if len(words) > 1 else "/"))
                except OSError: pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads, request_queue_size = True, 256

        server = Server(("127.0.0.1", 0), Handler)
        with open(sys.argv[1] + ".new", "w") as file: file.write(str(server.server_address[1]))
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        server.serve_forever()
        """#
}
