import Foundation
import Testing

/// What processes of ordinary users reach through slirp4netns, or through pasta if that is missing.
@Suite(
    .requires(
        .root,
        .program("crun"),
        .program("conmon"),
        .program("newuidmap"),
        .program("setpriv"),
        .program("pasta"),
        .program("slirp4netns"),
        .program("python3"),
        .program("ip"),
        .program("gcc")
    )
)
struct `The network of an ordinary user's processes` {
    /// Says of each place given whether it answers, and then sends frames that no kernel of a sandbox would send.
    private static let probe = #"""
        #include <arpa/inet.h>
        #include <linux/if_packet.h>
        #include <net/ethernet.h>
        #include <net/if.h>
        #include <poll.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/ioctl.h>
        #include <sys/socket.h>
        #include <sys/un.h>
        #include <unistd.h>

        static void check(const char *address, int port) {
            char answer[64] = "nothing";
            struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
            inet_pton(AF_INET, address, &to.sin_addr);
            int connection = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            connect(connection, (void *)&to, sizeof to);
            struct pollfd ready = {connection, POLLIN, 0};
            if (poll(&ready, 1, 3000) == 1) {
                ssize_t count = recv(connection, answer, sizeof answer - 1, 0);
                if (count > 0) answer[count] = 0;
            }
            printf("CHECK %s:%d says %s\n", address, port, answer);
            close(connection);
        }

        static unsigned short checksum(const unsigned char *data) {
            unsigned sum = 0;
            for (int i = 0; i < 20; i += 2) sum += data[i] << 8 | data[i + 1];
            sum = (sum & 0xffff) + (sum >> 16);
            return ~(sum + (sum >> 16));
        }

        static void send_frame(int socket_, const struct sockaddr_ll *to, const char *from, const char *address, int port, const char *text) {
            unsigned char packet[64] = {0x45, 0, 0, 20 + 8 + 6, 0, 0, 0, 0, 64, 17};
            inet_pton(AF_INET, from, packet + 12);
            inet_pton(AF_INET, address, packet + 16);
            unsigned short sum = checksum(packet);
            packet[10] = sum >> 8, packet[11] = sum;
            packet[20] = 0x30, packet[22] = port >> 8, packet[23] = port, packet[25] = 8 + 6;
            memcpy(packet + 28, text, 6);
            sendto(socket_, packet, 34, 0, (void *)to, sizeof *to);
        }

        int main(int count, char **places) {
            for (int i = 1; i < count; i += 2) check(places[i], atoi(places[i + 1]));
            struct sockaddr_un name = {.sun_family = AF_UNIX};
            strcpy(name.sun_path + 1, "step-test");
            int local = socket(AF_UNIX, SOCK_STREAM, 0);
            if (connect(local, (void *)&name, sizeof(sa_family_t) + 10) == 0) puts("CHECK the abstract socket answers");
            // The first packet makes the kernel ask who the gateway is.
            struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons(7003)};
            inet_pton(AF_INET, "198.51.100.1", &host.sin_addr);
            int plain = socket(AF_INET, SOCK_DGRAM, 0);
            sendto(plain, "before", 6, 0, (void *)&host, sizeof host);
            check("198.51.100.2", 80);
            struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_halen = 6};
            to.sll_ifindex = if_nametoindex("eth0");
            char line[256];
            FILE *neighbours = fopen("/proc/net/arp", "r");
            while (fgets(line, sizeof line, neighbours)) {
                unsigned char *mac = to.sll_addr;
                if (strstr(line, "eth0")) sscanf(line, "%*s %*s %*s %hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5);
            }
            struct ifreq request = {.ifr_name = "eth0"};
            int frames = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
            ioctl(frames, SIOCGIFADDR, &request);
            char own[32];
            inet_ntop(AF_INET, &((struct sockaddr_in *)&request.ifr_addr)->sin_addr, own, sizeof own);
            send_frame(frames, &to, own, "127.0.0.1", 7004, "inside");
            send_frame(frames, &to, "127.0.0.1", "127.0.0.1", 7004, "inside");
            send_frame(frames, &to, own, "198.51.100.1", 7003, "honest");
            sleep(1);
            sendto(plain, "after", 5, 0, (void *)&host, sizeof host);
            return 0;
        }
        """#

    @Test(arguments: StepLevel.user, [[], ["slirp4netns"]])
    func `reaches the world and the host's addresses, and nothing that is the host's alone`(
        level: StepLevel,
        missing: [String]
    ) async throws {
        let world = try NetworkWorld()
        let count = level == .singleID ? nil : 65_536
        let user = try await OrdinaryUser.withBusybox(.init(subordinateIDs: count, missing: missing))
        let compiled = try await runProgram(
            "gcc",
            ["-static", "-O1", "-x", "c", "-o", world.directory.path + "/probe", "-"],
            input: Array(Self.probe.utf8)
        )
        try #require(compiled.status == 0, "\(compiled.errorText)")
        // The host's loopback, by all names that a gateway could have for it.
        let hidden = ["127.0.0.1", "10.0.2.2", "10.0.2.3", "10.0.2.100", "0.0.0.0", "198.51.100.1"].map { "\($0) 7001" }
        let open = ["198.51.100.1 7002", "198.51.100.2 80"]
        let script = "/probe \((hidden + open).joined(separator: " ")); nslookup answer.test | grep Address"
        try world.directory.write("FROM busybox\nCOPY probe /\nRUN \(script)\n", to: "context/Dockerfile")
        let result = try await world.run(
            """
            mkdir -p context; cp probe context
            # A name server that a process of another network reaches by its own address.
            printf 'nameserver 169.254.169.254\\n' > /etc/resolv.conf
            $slipway build --progress=plain --no-cache -t probe context 2>&1 | sed 's/^#[0-9]* [0-9.]* //'
            echo containers
            $slipway run --rm probe sh -c '\(script)'
            for i in $(seq 500); do [ $(grep -c after datagrams) = 2 ] && break; sleep 0.01; done
            """,
            user.slipway
        )
        try #require(result.status == 0, "\(result.text) \(result.errorText)")
        let parts = result.text.components(separatedBy: "\ncontainers\n")
        #expect(parts.count == 2)
        for part in parts {
            let lines = part.split(separator: "\n")
            let checks = lines.filter { $0.hasPrefix("CHECK ") }.map { $0.dropFirst(6) }
            for place in hidden {
                let name = place.replacing(" ", with: ":")
                #expect(checks.contains("\(name) says nothing"), "\(part)")
            }
            #expect(checks.contains { $0.hasPrefix("198.51.100.1:7002 says 198.51.100.1") }, "\(part)")
            #expect(checks.contains { $0.hasPrefix("198.51.100.2:80 says 198.51.100.1") }, "\(part)")
            #expect(!checks.contains { $0.contains("abstract") }, "\(part)")
            #expect(lines.contains { $0.hasSuffix("198.51.100.2") && $0.hasPrefix("Address") }, "\(part)")
        }
        let datagrams = try String(contentsOf: world.directory.url.appending(path: "datagrams"), encoding: .utf8)
        let texts = datagrams.split(separator: "\n").compactMap { $0.split(separator: " ").last }
        #expect(texts == ["before", "honest", "after", "before", "honest", "after"], "\(datagrams)")
    }

    /// What a busy builder does, several times: it sends 50 MB and then reads the answer, and it gets 50 MB.
    private static let peer = """
        import hashlib, socket, threading
        data = open("context/data", "rb").read()
        def serve(port, answer):
            listener = socket.create_server(("0.0.0.0", port))
            while True:
                connection = listener.accept()[0]
                threading.Thread(target=answer, args=(connection,)).start()
        def take(connection):
            digest = hashlib.sha256()
            while part := connection.recv(1 << 16):
                digest.update(part)
            give(connection, digest.hexdigest().encode() + b"\\n")
        def give(connection, answer=data):
            with connection:
                connection.sendall(answer)
        threading.Thread(target=serve, args=(7010, take)).start()
        threading.Thread(target=serve, args=(7011, give)).start()
        open("peer-ready", "w").close()
        """

    @Test(arguments: StepLevel.user) func `carries large data whole, each way`(level: StepLevel) async throws {
        let world = try NetworkWorld()
        let user = try await OrdinaryUser.withBusybox(.init(subordinateIDs: level == .singleID ? nil : 65_536))
        #expect(try await user.slipway.succeed("info", "--format", "{{.Networks}}") == "slirp4netns\n")
        try world.directory.write(Self.peer, to: "peer.py")
        let transfers = """
            for i in 1 2 3 4 5; do
                echo sent: $(nc 198.51.100.1 7010 < /data)
                echo received: $(nc 198.51.100.1 7011 < /dev/null | sha256sum)
            done
            """
        let oneLine = transfers.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            .joined(separator: "; ").replacing("do;", with: "do")
        try world.directory.write("FROM busybox\nCOPY data /\nRUN \(oneLine)\n", to: "context/Dockerfile")
        let result = try await world.run(
            """
            head -c 50M /dev/urandom > context/data
            python3 peer.py & peer=$!
            until [ -e peer-ready ]; do kill -0 $peer; sleep 0.01; done
            echo data: $(sha256sum < context/data)
            $slipway build --progress=plain --no-cache -t probe context 2>&1 | sed 's/^#[0-9]* [0-9.]* //'
            $slipway run --rm probe sh -c '\(oneLine)'
            $slipway run -d --name server -p 7012:80 -p 7013:81 probe sh -c '
                nc -ll -p 80 -e sha256sum & exec nc -ll -p 81 -e cat /data' > /dev/null
            until [ "$(echo | busybox nc 127.0.0.1 7012)" ] && [ "$(busybox nc 127.0.0.1 7013 < /dev/null | head -c 1 | wc -c)" = 1 ]; do sleep 0.1; done
            for address in 127.0.0.1 198.51.100.1; do
                echo sent: $(busybox nc $address 7012 < context/data)
                echo received: $(busybox nc $address 7013 < /dev/null | sha256sum)
            done
            $slipway rm -f server > /dev/null
            kill $peer
            """,
            user.slipway
        )
        try #require(result.status == 0, "\(result.text) \(result.errorText)")
        let lines = result.text.split(separator: "\n").map { $0.split(separator: " ") }
        let digest = try #require(lines.first { $0.first == "data:" }?.dropFirst().first)
        for direction in ["sent:", "received:"] {
            let digests = lines.filter { $0.first ?? "" == direction }.map { $0.dropFirst().first }
            #expect(digests == Array(repeating: digest, count: 12), "\(direction) \(result.text)")
        }
    }

    @Test func `says what carries packets, and why it is no better one`() async throws {
        for (missing, answer) in [
            (["slirp4netns"], "pasta (uploads through it are slow, and an old one loses bytes; "),
            (["slirp4netns", "pasta"], "none (neither slirp4netns nor pasta is there ("),
        ] {
            let user = try await OrdinaryUser(.init(missing: missing))
            let text = try await user.slipway.succeed("info", "--format", "{{.Networks}}")
            #expect(text.hasPrefix(answer), "\(text)")
            #expect(text.contains("apt-get install slirp4netns)"), "\(text)")
        }
    }

    @Test(
        arguments: [
            ("mkdir -p none; mount --bind none /dev/net", "no such file or directory", "modprobe tun"),
            ("mount --bind /dev/null /dev/net/tun", "is not the device of that name", "modprobe tun"),
            ("chmod 600 dev/tun", "permission denied", "chmod 666 /dev/net/tun"),
        ],
        [[], ["slirp4netns"]]
    )
    func `names the device that is missing, and the remedy`(
        machine: (changes: String, cause: String, remedy: String),
        missing: [String]
    ) async throws {
        let user = try await OrdinaryUser.withBusybox(.init(changes: machine.changes, missing: missing))
        let run = try await user.slipway("run", "--rm", "busybox", "true")
        #expect(run.status == 125)
        let scratch = try TemporaryDirectory()
        let built = try await user.slipway.build("FROM busybox\nRUN --network=default true", in: scratch)
        for text in [run.errorText, built.errorText] {
            #expect(text.contains("no interface can be made ("), "\(text)")
            #expect(text.contains("/dev/net/tun") && text.contains(machine.cause), "\(text)")
            #expect(text.contains(machine.remedy), "\(text)")
        }
    }
}
