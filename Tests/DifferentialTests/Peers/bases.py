"""Base images, made here of busybox: archives in the layout of `docker save`, written by no builder under test."""
import hashlib
import io
import json
import subprocess
import tarfile

OLD = 1_000_000_000
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\nsvc:x:200:300::/:/bin/false\n"
GROUP = "root:x:0:\napp:x:1001:\nsvc:x:300:\nextra:x:2000:app\n"


def add(layer, name, kind=tarfile.REGTYPE, mode=0o644, content=b"", owner=(0, 0), link=""):
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime, member.linkname = kind, mode, OLD, link
    member.uid, member.gid = owner
    member.size = len(content)
    layer.addfile(member, io.BytesIO(content))


def busybox_layer():
    stream = io.BytesIO()
    busybox = open("/bin/busybox", "rb").read()
    programs = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(fileobj=stream, mode="w") as layer:
        def directory(name, mode=0o755, owner=(0, 0)):
            add(layer, name, tarfile.DIRTYPE, mode, owner=owner)

        for name in ["bin", "dev", "etc", "from-base", "proc", "root", "run", "srv", "sys", "usr", "usr/bin", "data", "home"]:
            directory(name)
        directory("tmp", 0o1777)
        add(layer, "bin/busybox", mode=0o755, content=busybox)
        for program in programs:
            if program != "busybox":
                add(layer, f"bin/{program}", tarfile.SYMTYPE, 0o777, link="busybox")
        add(layer, "etc/passwd", content=PASSWD.encode())
        add(layer, "etc/group", content=GROUP.encode())
        for name in ["etc/hosts", "etc/resolv.conf", "etc/hostname"]:
            add(layer, name)
        directory("home/app", 0o700, (1000, 1001))
        # What COPY and WORKDIR meet on their way: odd owners and modes, links of every kind, files to replace.
        directory("srv/odd", 0o750, (1000, 1001))
        add(layer, "srv/odd/kept", mode=0o600, content=b"kept\n", owner=(1000, 1001))
        add(layer, "srv/relative", tarfile.SYMTYPE, 0o777, link="odd")
        add(layer, "srv/absolute", tarfile.SYMTYPE, 0o777, link="/srv/odd")
        add(layer, "srv/dangling", tarfile.SYMTYPE, 0o777, link="missing/deep")
        add(layer, "srv/to-file", tarfile.SYMTYPE, 0o777, link="plain")
        add(layer, "srv/plain", mode=0o640, content=b"plain\n", owner=(200, 300))
        add(layer, "srv/escape", tarfile.SYMTYPE, 0o777, link="../../../../data")
        directory("data/deep")
        directory("data/deep/er")
        add(layer, "data/deep/er/file", content=b"deep\n")
        add(layer, "data/one", content=b"one\n")
        add(layer, "data/two", tarfile.LNKTYPE, link="data/one")
    return stream.getvalue()


#: The configurations that the bases have, by image name; all share one layer.
CONFIGURATIONS = {
    "base": {},
    "configured": {
        "Env": ["PATH=/custom:/bin", "FOO=from base", "GREETING=hello"],
        "Cmd": ["base", "command"],
        "Entrypoint": ["/bin/base-entry"],
        "WorkingDir": "/data/deep",
        "User": "app",
        "ExposedPorts": {"53/udp": {}},
        "Volumes": {"/from-base": {}},
        "Labels": {"origin": "base", "kept": "yes"},
        "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 5000000000, "Retries": 2},
        "StopSignal": "SIGQUIT",
    },
    "shelled": {"Shell": ["/bin/sh", "-ec"], "Cmd": ["/bin/sh", "-ec", "inherited"], "Env": ["PATH=/bin"]},
    "triggered": {
        "Env": ["PATH=/bin"],
        "OnBuild": ["ENV ON=build", "COPY onbuild.txt /from-onbuild/", "RUN echo $ON > /ran", "USER 1000"],
    },
    "plain-env": {"Env": ["EMPTY=", "A=1", "PATH=/bin"], "WorkingDir": "/"},
}


def write_base(path, name, layer, configuration):
    diff_id = hashlib.sha256(layer).hexdigest()
    document = json.dumps({
        "architecture": "amd64" if machine() == "x86_64" else "arm64", "os": "linux",
        "created": "2001-09-09T01:46:40Z",
        "config": configuration,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
        "history": [{"created": "2001-09-09T01:46:40Z", "created_by": "base"}],
    }).encode()
    config = hashlib.sha256(document).hexdigest() + ".json"
    manifest = [{"Config": config, "RepoTags": [f"{name}:latest"], "Layers": [f"{diff_id}/layer.tar"]}]
    with tarfile.open(path, mode="w") as archive:
        for member, content in [
            (config, document), (f"{diff_id}/layer.tar", layer), ("manifest.json", json.dumps(manifest).encode())
        ]:
            add(archive, member, content=content)
    return f"sha256:{diff_id}"


def machine():
    return subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()


def make_bases(directory):
    """Writes all archives; gives their paths by image name, and the diff ids that are no step's own."""
    layer = busybox_layer()
    paths, diff_ids = {}, set()
    for name, configuration in CONFIGURATIONS.items():
        paths[name] = directory / f"{name}.tar"
        diff_ids.add(write_base(paths[name], name, layer, configuration))
    return paths, diff_ids
