// MARK: COPY and ADD

extension CorpusBuild {
    private static let tree = """
        mkdir -p src/sub; echo 1 > src/a; echo 2 > src/sub/b; echo 3 > 'src/c d'; ln -s a src/link; ln src/a src/hard
        chmod 600 src/a; chmod 711 src/sub; chmod 755 'src/c d'; chown 1000:1000 src/sub/b
        touch -h -d @1500000000 src/* src/sub/* src
        """

    static let copies = [
        CorpusBuild("COPY of a tree", "FROM busybox\nCOPY src /dst\nCOPY src/a src/sub /two/", context: tree),
        CorpusBuild(
            "COPY --chown by number and by name",
            """
            FROM busybox
            COPY --chown=12:34 src /numbers
            COPY --chown=app:extra src /names
            COPY --chown=app src/a /default
            COPY --chown=65534 src/sub /nobody
            """,
            context: tree
        ),
        CorpusBuild(
            "COPY --chmod",
            "FROM busybox\nCOPY --chmod=4750 --chown=5:6 src/a /suid\nCOPY --chmod=u=rwX,go=rX src /modes",
            context: tree
        ),
        CorpusBuild(
            "COPY from a stage keeps owners",
            """
            FROM busybox AS made
            RUN mkdir -p /m/d && touch /m/x && chown 1000:2000 /m/x && chmod 6755 /m/x && chown 3:4 /m/d && ln /m/x /m/y
            FROM busybox
            COPY --from=made /m /m
            COPY --from=made --chown=9:9 /m/x /single
            """
        ),
        CorpusBuild(
            "COPY --link",
            "FROM busybox\nRUN mkdir -m 700 /dst\nCOPY --link --chown=8:8 src /dst/\nCOPY --link src/a /x/",
            context: tree
        ),
        CorpusBuild(
            "COPY --parents",
            "# syntax=docker/dockerfile:1\nFROM busybox\nCOPY --parents src/sub/b src/./a /p/",
            context: tree
        ),
        CorpusBuild(
            "a context of which a part is ignored",
            "FROM busybox\nCOPY . /all",
            context: tree + "\nprintf 'src/sub\\n!src/sub/b\\n**/link\\nDockerfile\\n.dockerignore\\n' > .dockerignore"
        ),
        CorpusBuild("files alone", "FROM scratch\nCOPY --chown=1:1 src/a /a\nADD src/sub /sub/", context: tree),
        CorpusBuild(
            "compressed archives",
            "FROM busybox\nADD a.tar.gz /gz/\nADD a.tar.xz /xz/\nADD --chown=4:5 a.tar.gz /owned/",
            context: tree + "\ntar -czf a.tar.gz src; tar -cJf a.tar.xz src"
        ),
        CorpusBuild(
            "heredocs",
            """
            FROM busybox
            COPY --chown=3 --chmod=640 <<one <<two /h/
            1
            one
            2
            two
            RUN <<EOF
            set -e
            touch /x
            chown 4 /x
            EOF
            """
        ),
    ]
}

// MARK: Changes of lower layers

extension CorpusBuild {
    private static let base =
        "FROM busybox\nRUN mkdir -p /t/d/e /t/k && touch /t/d/e/f /t/d/g /t/h /t/k/i && chown -R 11:12 /t\n"

    static let changes = [
        CorpusBuild(
            "files and directories that are removed",
            base + "RUN rm -r /t/d/e /t/h && rmdir /t/k || rm -r /t/k"
        ),
        CorpusBuild(
            "a directory that is replaced by a file, and a file by a directory",
            base + "RUN rm -r /t/d && touch /t/d && rm /t/h && mkdir /t/h"
        ),
        CorpusBuild(
            "a directory that is made again",
            base + "RUN rm -r /t/d && mkdir /t/d && touch /t/d/new\nRUN touch /t/d/g"
        ),
        CorpusBuild("a directory that moves", base + "RUN mv /t/d /t/moved && mv /t/moved/e /t/e"),
        CorpusBuild(
            "a file that is written, linked and renamed",
            base + "RUN echo 1 > /t/h && ln /t/h /t/l && mv /t/k/i /t/d/i && echo 2 >> /t/l"
        ),
        CorpusBuild(
            "only the metadata of directories",
            base + "RUN chmod 1700 /t/d && chown 13 /t/k && touch -d @1400000000 /t/d/e"
        ),
        CorpusBuild(
            "what is made and gone again",
            base + "RUN touch /t/d/tmp && rm /t/d/tmp && mkdir /t/k/x && rmdir /t/k/x\nRUN true"
        ),
        CorpusBuild(
            "links that a write breaks",
            "FROM busybox\nRUN cd /etc && echo 1 > a && ln a b && ln a c\nRUN echo 2 >> /etc/a\nRUN rm /etc/b"
        ),
    ]
}

// MARK: Mounts of RUN

extension CorpusBuild {
    static let mounts = [
        CorpusBuild(
            "a cache mount of another user's",
            """
            FROM busybox
            RUN --mount=type=cache,target=/cache,uid=1000,gid=1000,mode=0750 \\
                stat -c '%u:%g %a' /cache > /list && touch /cache/x
            RUN --mount=type=cache,target=/cache,uid=1000,gid=1000,mode=0750 cp -a /cache/x /kept && chown 5 /kept
            """
        ),
        CorpusBuild(
            "a secret",
            """
            FROM busybox
            RUN --mount=type=secret,id=key,uid=1000,gid=5,mode=0440 \\
                stat -c '%u:%g %a' /run/secrets/key > /list && wc -c < /run/secrets/key >> /list
            RUN --mount=type=secret,id=key,env=KEY test "$KEY" = secret
            USER app
            RUN --mount=type=secret,id=key,uid=1000 cat /run/secrets/key | wc -c
            """,
            context: "printf secret > key; chmod 644 key",
            flags: ["--secret", "id=key,src=key"]
        ),
        CorpusBuild(
            "mounts in memory",
            """
            FROM busybox
            RUN --mount=type=tmpfs,target=/mem,size=1m \\
                touch /mem/x && stat -c '%u:%g %a' /mem > /list && ls /mem >> /list
            """
        ),
        CorpusBuild(
            "binds of the context and of a stage",
            """
            FROM busybox AS made
            RUN mkdir /m && touch /m/x && chown 1000:2000 /m/x
            FROM busybox
            RUN --mount=type=bind,source=src,target=/src cp -r /src /copied
            RUN --mount=type=bind,from=made,source=/m,target=/m,rw \\
                stat -c '%u:%g' /m/x > /list && touch /m/lost && cp -a /m/x /x
            """,
            context: tree
        ),
        CorpusBuild(
            "a step without a network",
            "FROM busybox\nRUN --network=none ! nc -w 1 192.0.2.1 80 2> /dev/null && touch /unreached"
        ),
        CorpusBuild(
            "interfaces without a network",
            "FROM busybox\nRUN --network=none ip link | wc -l > /links",
            exceptions: [.confined: "a step without a network has no interface, not even one for itself"]
        ),
        CorpusBuild(
            "names of hosts that leave no trace",
            "FROM busybox\nRUN grep -c gate /etc/hosts > /count && touch /etc/made",
            flags: ["--add-host", "gate:192.0.2.9"]
        ),
    ]
}

// MARK: Programs that install

extension CorpusBuild {
    static let programs = [
        CorpusBuild(
            "a package with maintainer scripts",
            """
            FROM debian
            COPY *.deb /
            RUN dpkg -i /service.deb && rm /service.deb && rm -rf /var/log/*log /var/cache/* /etc/*- /var/lib/dpkg/*-old
            """,
            context: """
                mkdir -p p/DEBIAN p/usr/sbin p/etc/service p/var/lib/service
                printf 'Package: service\\nVersion: 1\\nArchitecture: all\\n' > p/DEBIAN/control
                printf 'Maintainer: T <t@example.org>\\nDescription: T\\n' >> p/DEBIAN/control
                echo /etc/service/conf > p/DEBIAN/conffiles
                echo x > p/etc/service/conf; cp /bin/true p/usr/sbin/service-helper
                cat > p/DEBIAN/postinst <<'EOF'
                #!/bin/sh
                set -e
                adduser --system --group --uid 410 --home /var/lib/service --no-create-home service
                chown service:service /var/lib/service; chmod 750 /var/lib/service
                chgrp service /usr/sbin/service-helper; chmod 4750 /usr/sbin/service-helper
                mkfifo /var/lib/service/fifo; chmod 600 /var/lib/service/fifo; chown service /var/lib/service/fifo
                EOF
                sed -i 's/^ *//' p/DEBIAN/postinst; chmod 755 p/DEBIAN/postinst; find p -exec touch -d @1500000000 {} +
                dpkg-deb --root-owner-group -b p service.deb > /dev/null; rm -r p
                """
        ),
        CorpusBuild(
            "a package of Python's",
            """
            FROM debian
            COPY thing-1-py3-none-any.whl /
            RUN pip install --no-index --no-compile --break-system-packages /thing-1-py3-none-any.whl \\
                && rm /thing-1-py3-none-any.whl \\
                && python3 -B -c 'import thing' && rm -rf /root/.cache
            """,
            context: """
                python3 - <<'EOF'
                import zipfile
                with zipfile.ZipFile("thing-1-py3-none-any.whl", "w") as z:
                    for name, text in (
                        ("thing/__init__.py", "x = 1\\n"),
                        ("thing-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: thing\\nVersion: 1\\n"),
                        ("thing-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"),
                        ("thing-1.dist-info/RECORD", ""),
                    ): z.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), text)
                EOF
                """
        ),
        CorpusBuild(
            "a copy of a system's files",
            """
            FROM debian
            RUN mkdir /copy && cp -a /etc /copy && rm -r /copy/etc/ssl \\
                && tar -C /usr/share -cf - python3 | tar -C /copy -xpf -
            """
        ),
        CorpusBuild(
            "programs that look at themselves",
            """
            FROM debian
            RUN id > /id && umask >> /id && pwd >> /id
            RUN python3 - <<'EOF'
            import os
            os.setgroups([7, 8]); os.setresgid(9, 9, 9); os.setresuid(10, 10, 10)
            print(os.getresuid(), os.getresgid(), os.getgroups())
            EOF
            """
        ),
        CorpusBuild(
            "what the kernel says of a process",
            "FROM busybox\nRUN grep -E '^(Uid|Gid)' /proc/self/status > /status && echo x > /dev/stdout",
            exceptions: [.confined: "there is no /proc/self"]
        ),
        CorpusBuild(
            "what the kernel says of a process's groups",
            "FROM busybox\nRUN grep ^Groups /proc/self/status > /status",
            exceptions: [.oneID: "/proc shows no groups", .confined: "there is no /proc/self"]
        ),
    ]
}

// MARK: What images say

extension CorpusBuild {
    static let descriptions = [
        CorpusBuild(
            "instructions without files",
            """
            FROM busybox
            ARG VALUE=1
            ENV A=$VALUE B="x y"
            LABEL l=m
            EXPOSE 80/udp
            VOLUME /v /w
            STOPSIGNAL SIGINT
            SHELL ["/bin/sh", "-ec"]
            HEALTHCHECK --interval=5s CMD true
            ENTRYPOINT ["/bin/echo"]
            CMD ["a", "b"]
            ONBUILD RUN true
            """,
            flags: ["--build-arg", "VALUE=2"]
        ),
        CorpusBuild(
            "stages, arguments and a target",
            """
            ARG FROM=busybox
            FROM ${FROM} AS one
            ARG SOURCE_DATE_EPOCH
            RUN echo $SOURCE_DATE_EPOCH > /epoch
            FROM one AS two
            WORKDIR /w
            RUN echo two > two
            FROM two AS three
            RUN false
            """,
            flags: ["--target", "two"]
        ),
        CorpusBuild(
            "a volume that a step writes to",
            "FROM busybox\nRUN mkdir /data\nVOLUME /data\nRUN touch /data/x && chown 5 /data /data/x"
        ),
    ]
}
