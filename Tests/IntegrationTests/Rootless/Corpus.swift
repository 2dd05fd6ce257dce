import Foundation
import Testing

/// A build whose image must be the same at every level of privileges.
struct CorpusBuild: Sendable, CustomTestStringConvertible {
    let name: String
    /// The Dockerfile; `debian` and `busybox` are its base images.
    let dockerfile: String
    /// A shell script that makes the context, run as root in an empty directory.
    var context = ""
    var flags: [String] = []
    /// Why levels cannot build it; docs/rootless.md says so too.
    var exceptions: [CorpusLevel.Kind: String] = [:]

    var testDescription: String { name }

    init(
        _ name: String,
        _ dockerfile: String,
        context: String = "",
        flags: [String] = [],
        exceptions: [CorpusLevel.Kind: String] = [:]
    ) {
        self.name = name
        self.dockerfile = dockerfile
        self.context = context
        self.flags = flags
        self.exceptions = exceptions
    }

    static let all = owners + files + copies + changes + mounts + programs + descriptions
}

// MARK: Who owns files

extension CorpusBuild {
    fileprivate static let owners = [
        CorpusBuild(
            "files of several owners",
            """
            FROM busybox
            RUN touch a b c && mkdir d && chown 1000:2000 a && chown 65534:65534 b && chown 33 c && chown 7:8 d
            """
        ),
        CorpusBuild(
            "system users with homes",
            """
            FROM debian
            RUN groupadd -r -g 400 svc && useradd -r -u 400 -g svc -m -d /var/lib/svc -s /usr/sbin/nologin svc \\
                && adduser --system --group --uid 401 --home /var/lib/other other \\
                && touch /var/lib/svc/data && chown svc:svc /var/lib/svc/data && chmod 640 /var/lib/svc/data \\
                && rm -f /etc/*- /etc/.pwd.lock /var/log/*log
            """
        ),
        CorpusBuild(
            "processes of other users",
            """
            FROM busybox
            RUN chmod 1777 /tmp && mkdir /shared && chown 1000:1000 /shared && chmod 2775 /shared
            USER app
            RUN id > /shared/who && umask 077 && touch /shared/private /tmp/app
            USER 1234:4321
            RUN id > /tmp/other
            USER root
            RUN su app -c 'touch /tmp/by-su' && stat -c '%u %g %a %n' /shared/* /tmp/* > /list
            """
        ),
        CorpusBuild(
            "a working directory of its user's",
            "FROM busybox\nUSER app\nWORKDIR /srv/place\nRUN touch file && stat -c '%u:%g %a' . file > list"
        ),
        CorpusBuild(
            "owners changed over layers",
            """
            FROM busybox
            RUN mkdir -p /t/a/b && touch /t/a/b/x /t/a/y /t/z && chmod 700 /t/a
            RUN chown -R 1000:1000 /t
            RUN chown 0:5 /t/a/y && chmod 4711 /t/a/y && chmod 755 /t/a
            """
        ),
        CorpusBuild(
            "an archive unpacked with its owners",
            "FROM busybox\nCOPY owners.tar /\nRUN mkdir /out && tar -xpf /owners.tar -C /out && rm /owners.tar",
            context: foreignArchive
        ),
        CorpusBuild("an archive with foreign owners", "FROM busybox\nADD owners.tar /out/", context: foreignArchive),
    ]

    private static let foreignArchive = """
        mkdir -p t/d; echo 1 > t/one; echo 2 > t/d/two; ln t/one t/hard; ln -s one t/soft; mkfifo t/fifo
        chmod 4755 t/one; chmod 2750 t/d; chown 1000:1001 t/one; chown 5000:6000 t/d; chown 65533:65532 t/d/two
        touch -h -d @1500000000 t/* t/d/* t/d; tar -C t --numeric-owner -cf owners.tar .; rm -r t
        """
}

// MARK: Kinds of files

extension CorpusBuild {
    fileprivate static let files = [
        CorpusBuild(
            "set-uid, set-gid and sticky bits",
            """
            FROM busybox
            RUN touch a b && mkdir c && chown 5:6 a b && chmod 4755 a && chmod 2711 b && chmod 3777 c
            RUN chmod 0 /etc/group
            """
        ),
        CorpusBuild(
            "file capabilities and attributes",
            """
            FROM debian
            RUN python3 - <<'EOF'
            import os, struct
            os.makedirs("/opt/caps/dir")
            for name, low in (("ping", 1 << 13), ("bind", 1 << 10)):
                path = "/opt/caps/" + name
                open(path, "w").close()
                os.chmod(path, 0o755)
                os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, low, 0, 0, 0))
                os.setxattr(path, "user.note", name.encode())
            os.setxattr("/opt/caps/dir", "user.empty", b"")
            os.chown("/opt/caps/bind", 7, 7)
            os.setxattr("/opt/caps/bind", "security.capability", struct.pack("<5I", 0x02000000, 1 << 12, 0, 1, 0))
            assert len(os.getxattr("/opt/caps/ping", "security.capability")) == 20
            EOF
            RUN chmod 700 /opt/caps/ping && touch /opt/caps/bind
            """
        ),
        CorpusBuild(
            "file capabilities in an archive",
            "FROM busybox\nADD caps.tar /opt/",
            context: """
                mkdir t; cp /bin/true t/ping; cp /bin/true t/plain; chown 9:9 t/ping; setcap cap_net_raw+ep t/ping
                setfattr -n user.a -v b t/plain; touch -d @1500000000 t/*
                tar --xattrs --xattrs-include='*' -C t -cf caps.tar ping plain; rm -r t
                """
        ),
        CorpusBuild(
            "links, FIFOs and sockets",
            """
            FROM debian
            RUN cd /opt && echo 1 > a && ln a b && mkdir d && ln a d/c && ln -s ../a d/s && ln -s /nowhere x \\
                && mkfifo f && chmod 640 f && chown -h 5:6 x && chown 7 f \\
                && python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/opt/sock")'
            RUN cd /opt && echo 2 >> b && rm d/c && ln d/s e
            """
        ),
        CorpusBuild(
            "a FIFO that is made with its mode",
            "FROM debian\nRUN mkfifo -m 640 /f",
            exceptions: [.confined: "there is no /proc/self, by which the C library sets modes of what may be a link"]
        ),
        CorpusBuild(
            "links and FIFOs of other users that move",
            """
            FROM busybox
            RUN mkdir /l /l/d && cd /l && for n in a b c e f; do ln -s x $n && chown -h 5:6 $n; done && mkfifo p q \\
                && chown 7:8 p q && mv a d/a && mv b renamed && ln c d/linked && rm e && ln -s x e && mv q c && mv e f
            RUN cd /l && mv p d/p && mv d moved && stat -c '%u:%g %n' moved/* * > /list
            FROM busybox
            COPY --from=0 /l /l
            COPY --from=0 /list /list
            """
        ),
        CorpusBuild(
            "devices in an archive, copied and changed",
            """
            FROM busybox AS one
            ADD devices.tar /opt/
            RUN chmod 644 /opt/null && chown 5:6 /opt/disk && touch -d @1400000000 /opt/null
            FROM busybox
            COPY --from=one --chown=7:8 /opt /copy
            COPY --from=one /opt/disk /disk
            RUN rm /copy/disk && mkdir /d && mv /disk /d/disk
            """,
            context: """
                mkdir t; mknod -m 666 t/null c 1 3; mknod -m 640 t/disk b 8 1
                chown 1:2 t/disk; touch -d @1500000000 t/*
                tar -C t --numeric-owner -cf devices.tar .; rm -r t
                """
        ),
        CorpusBuild(
            "names of all kinds",
            """
            FROM debian
            RUN python3 - <<'EOF'
            import os
            os.chdir("/opt")
            names = (b"a b", b"\\xc3\\xa4", b"\\xff\\xfe", b"n" * 255, b"new\\nline", b"-x", b"*")
            for name in names: open(name, "w").close()
            path = "deep"
            for _ in range(40):
                path += "/" + "d" * 50
            os.makedirs(path)
            EOF
            """
        ),
        CorpusBuild(
            "large and sparse files",
            """
            FROM busybox
            RUN dd if=/dev/zero of=/big bs=1M count=8 && truncate -s 100M /hole && echo end >> /hole && : > /empty
            """
        ),
        CorpusBuild(
            "times",
            """
            FROM busybox
            RUN mkdir /t && touch -d '1999-12-31 23:59:59' /t/old && touch -d '2001-01-01 00:00:00' /t
            RUN touch -h -d @1 /bin/cat
            """
        ),
        CorpusBuild(
            "a directory that hands its group on",
            "FROM busybox\nRUN mkdir -m 2777 /g && chown 0:50 /g && mkdir /g/sub && touch /g/sub/x\nRUN su app -c 'mkdir /g/app && touch /g/app/y'"
        ),
    ]
}
