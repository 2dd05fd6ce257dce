"""What is measured. Each case is a function that takes the Bench."""

import contextlib
import os
import shutil
import socket
import subprocess
import time

import measuring
import peers

CASES = {}


def case(function):
    """Lists a function as a case under its name."""
    CASES[function.__name__.replace("_", "-")] = function
    return function


# Contexts

def context(bench, name, dockerfile):
    """A directory with a Dockerfile."""
    directory = os.path.join(bench.scratch, name)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "Dockerfile"), "w") as out:
        out.write(dockerfile)
    return directory


def fill(directory, count):
    """Small text files, in folders of at most a hundred; their contents are new ones at every call."""
    salt = time.time_ns()
    for number in range(count):
        folder = os.path.join(directory, "files", f"d{number // 100}")
        if number % 100 == 0:
            os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"f{number}"), "w") as out:
            out.write(f"file {number} of {salt}\n" * (5 + number % 200))


def change_one(directory):
    with open(os.path.join(directory, "files", "d7", "f707"), "w") as out:
        out.write(f"{time.time_ns()}\n")


def large_image(bench, name, tag, base="localhost/base"):
    """Gives a function that builds an image of 250 MB that no store has seen, on a base that it has."""
    directory = context(bench, name, f"FROM {base}\nCOPY payload /payload\n")
    payload = os.path.join(directory, "payload")
    if not os.path.isdir(payload):
        # Half of it compresses as programs do, half not at all.
        programs = os.path.join(bench.scratch, "base", "base.tar")
        os.makedirs(payload)
        # In pieces: what this process holds counts as memory of the commands that it starts.
        with open(programs, "rb") as source, open(os.path.join(payload, "programs"), "wb") as out:
            for _ in range(125):
                out.write(source.read(1_000_000))
        with open(os.path.join(payload, "noise"), "wb") as out:
            for _ in range(125):
                out.write(os.urandom(1_000_000))

    def build(peer):
        with open(os.path.join(payload, "programs"), "r+b") as out:
            out.write(f"{time.time_ns()}".encode())
        peer.run(peer.build(tag), cwd=directory)

    return directory, build


@contextlib.contextmanager
def registry(scratch):
    """Debian's registry, empty, on a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    directory = os.path.join(scratch, f"registry-{port}")
    os.makedirs(directory)
    path = os.path.join(directory, "configuration.yml")
    with open(path, "w") as out:
        out.write(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
                  f"http: {{addr: 127.0.0.1:{port}}}\n")
    server = subprocess.Popen(["docker-registry", "serve", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(directory, ignore_errors=True)


def missing(*programs):
    """Whether one of the programs that a case needs is not there, which is then said."""
    absent = [program for program in programs if not shutil.which(program)]
    if absent:
        print(f"left out, for want of {', '.join(absent)}")
    return bool(absent)


# Cases

@case
def start(bench):
    bench.compare("start: --version", lambda peer: peer.version(), bench.iterations * 3)
    bench.compare("start: images", lambda peer: peer.images(), bench.iterations * 3)


@case
def rebuild(bench):
    directory = context(bench, "rebuild",
                        "FROM localhost/base\nWORKDIR /app\nCOPY files .\nRUN true\nRUN true\nCMD [\"sh\"]\n")
    fill(directory, 50)
    bench.compare("nothing changed, 50 files", lambda peer: peer.build("rebuild"), bench.iterations * 3, cwd=directory)


@case
def steps(bench):
    count = 20
    directory = context(bench, "steps", "")

    def prepare(peer, iteration):
        salt = time.time_ns()
        context(bench, "steps", "FROM localhost/base\n" + "".join(f"RUN true # {salt} {step}\n" for step in range(count)))

    bench.compare(f"{count} x RUN true", lambda peer: peer.build("steps"), bench.few, prepare, cwd=directory)


@case
def stages(bench):
    for count in (12, 100):
        independent_stages(bench, count)


def independent_stages(bench, count):
    directory = context(bench, "stages", "")

    def prepare(peer, iteration):
        salt = time.time_ns()
        lines = [f"FROM localhost/base AS s{stage}\nRUN echo {salt} {stage} > /out{stage}\n" for stage in range(count)]
        lines.append("FROM scratch\n")
        lines += [f"COPY --from=s{stage} /out{stage} /\n" for stage in range(count)]
        context(bench, "stages", "".join(lines))

    bench.compare(f"{count} independent stages", lambda peer: peer.build("stages"), bench.few, prepare, cwd=directory)


@case
def copy(bench):
    copy_files(bench, 10_000)


@case
def copy_many(bench):
    copy_files(bench, 50_000)


def copy_files(bench, count):
    directory = context(bench, f"copy-{count}", "FROM localhost/base\nCOPY files /files\n")

    def build(peer):
        return peer.build("copy")

    def renew(peer, iteration):
        fill(directory, count)

    bench.compare(f"COPY of {count:,} files, all new", build, bench.few, renew, cwd=directory, warm=False)
    # All have what is there now.
    bench.compare(f"COPY of {count:,} files, unchanged", build, bench.iterations, cwd=directory)
    bench.compare(f"COPY of {count:,} files, one changed", build, bench.few,
                  lambda peer, iteration: change_one(directory), cwd=directory)
    shutil.rmtree(directory)


@case
def large_file(bench):
    directory = context(bench, "large", "FROM localhost/base\nCOPY large /\n")
    path = os.path.join(directory, "large")
    with open(path, "wb") as out:
        for _ in range(256):
            out.write(os.urandom(4 << 20))

    def change(peer, iteration):
        with open(path, "r+b") as out:
            out.write(f"{time.time_ns()}".encode())

    bench.compare("COPY of a file of 1 GiB, new", lambda peer: peer.build("large"), bench.few, change, cwd=directory, warm=False)
    os.remove(path)


def put_base(bench, host):
    """Puts the base image into a registry and gives its name there."""
    archive = os.path.join(bench.scratch, "base-image.tar")
    ours = bench.peers[0]
    ours.run(ours.save("localhost/base", archive))
    name = f"{host}/base:1"
    measuring.run([["skopeo", "copy", "-q", "--dest-tls-verify=false", f"docker-archive:{archive}", f"docker://{name}"]])
    os.remove(archive)
    return name


@case
def pull(bench):
    if missing("docker-registry", "skopeo"):
        return
    with registry(bench.scratch) as host:
        name = put_base(bench, host)
        # On stores that never had it: removing a tree slows ext4's next allocations down for a while.
        with bench.on_fresh_stores("pull") as fresh:
            fresh.compare("pull of 229 MB", lambda peer: peer.pull(name), 1, warm=False)
        directory = context(bench, "cold", f"FROM {name}\nRUN true\n")
        bench.compare_on_fresh_stores("empty store: FROM of 229 MB, RUN true", lambda peer: peer.build("cold"), bench.few, cwd=directory)


@case
def push(bench):
    if missing("docker-registry"):
        return
    directory, build = large_image(bench, "push", "push")
    with registry(bench.scratch) as host:
        bench.compare("push of 250 MB", lambda peer: peer.push("push", f"{host}/{peer.name.lower()}:{time.time_ns()}"),
                      bench.few, lambda peer, iteration: build(peer), cwd=directory, warm=False)


@case
def archives(bench):
    directory, build = large_image(bench, "archives", "localhost/archived")
    paths = {peer: os.path.join(bench.scratch, f"{peer.name}.tar") for peer in bench.peers}

    def absent(peer, iteration):
        if os.path.exists(paths[peer]):
            os.remove(paths[peer])

    def built(peer, iteration):
        absent(peer, iteration)
        build(peer)

    bench.compare("save of 250 MB on a base of 229", lambda peer: peer.save("localhost/archived", paths[peer]), bench.few, built, warm=False)
    # The same archive for everybody, of an image that nobody has.
    archive = paths[bench.peers[0]]
    with bench.on_fresh_stores("load") as fresh:
        fresh.compare("load of 250 MB on a base of 229", lambda peer: peer.load(archive), 1, warm=False)
    for path in paths.values():
        os.remove(path)


@case
def outputs(bench):
    # The base has device nodes, which no directory is given.
    directory, build = large_image(bench, "outputs", "outputs", base="scratch")
    fill(os.path.join(directory, "payload"), 2000)
    path = os.path.join(bench.scratch, "output")

    def prepare(peer, iteration):
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.remove(path)
        build(peer)

    for kind, compression in (("local", None), ("tar", None), ("oci", "gzip"), ("oci", "zstd")):
        bench.compare(f"--output type={kind}" + (f", {compression}" if compression else ""),
                      lambda peer: peer.output(kind, path, "outputs", compression), bench.few, prepare, cwd=directory,
                      warm=False)


@case
def cache(bench):
    if missing("docker-registry", "skopeo"):
        return
    with registry(bench.scratch) as host:
        # A base that stays the same image when everything built here is forgotten.
        base = put_base(bench, host)
        directory = context(bench, "cache", f"FROM {base}\nCOPY files /files\nRUN cp -r /files /copied\nRUN true\n")
        fill(directory, 2000)

        def build(peer, iteration):
            peer.run(peer.pull(base))
            peer.run(peer.build("cached"), cwd=directory)

        # On stores that have the base from the registry only: of layers that are known from elsewhere, Slipway sends its own archives.
        with bench.on_fresh_stores("cache") as fresh:
            names = {peer: f"{host}/cache-{peer.name.lower()}:1" for peer in fresh.peers}
            fresh.compare("cache export to a registry", lambda peer: peer.export_cache("cached", names[peer]), 1, build,
                          cwd=directory, warm=False)
            fresh.compare("cache import from a registry", lambda peer: peer.import_cache("cached", names[peer]), 1,
                          lambda peer, iteration: peer.run(peer.forget("cached")), cwd=directory, warm=False)


@case
def prune(bench):
    directory = context(bench, "prune", "FROM localhost/base\nCOPY files /files\n" + "RUN true\n" * 5)
    fill(directory, 10_000)

    def prepare(peer, iteration):
        bench.give_base(peer)
        change_one(directory)
        peer.run(peer.build("pruned"), cwd=directory)
        if not isinstance(peer, peers.Buildah):
            peer.run(peer.forget("pruned")[:1])

    bench.compare("prune of 10,000 files and 7 steps", lambda peer: peer.prune(), bench.few, prepare, warm=False)
    for peer in bench.peers:
        bench.give_base(peer)
