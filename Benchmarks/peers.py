"""The programs that are compared: how each is asked for the same thing.

A method gives the commands to run one after the other, or None where the program does not offer the thing.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time

import measuring

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SLIPWAY = os.path.join(TOP, ".build", "release", "slipway")
# The package's own client: later ones build only with a plug-in.
DOCKER = "/usr/bin/docker"


class Peer:
    """A program that builds, with a store of its own."""

    def __init__(self, environment=None):
        self.environment = environment or {}

    def run(self, commands, cwd=None):
        return measuring.run(commands, cwd=cwd, env=self.environment)

    def fresh(self, scratch):
        """The same program on a store that is empty, or that knows nothing of what the benchmark names anew."""
        return type(self)(scratch)

    def give_base(self, directory):
        """Makes sure that the program has the base image of the cases, of which `directory` has a Dockerfile."""
        self.run(self.build("localhost/base"), cwd=directory)


class Slipway(Peer):
    def __init__(self, scratch, program=SLIPWAY, name="slipway"):
        super().__init__({"SLIPWAY_ROOT": os.path.join(scratch, name)})
        self.program = program
        self.name = name

    def fresh(self, scratch):
        return Slipway(scratch, self.program, self.name)

    def version(self):
        return [[self.program, "--version"]]

    def images(self):
        return [[self.program, "images"]]

    def build(self, tag, *options):
        return [[self.program, "build", "-q", "-t", tag, *options, "."]]

    def output(self, kind, path, tag, compression=None):
        attributes = f",compression={compression}" if compression else ""
        return [[self.program, "build", "-q", "-o", f"type={kind},dest={path}{attributes}", "."]]

    def pull(self, name):
        return [[self.program, "pull", "-q", name]]

    def push(self, tag, name):
        return [[self.program, "tag", tag, name], [self.program, "push", "-q", name]]

    def save(self, tag, path):
        return [[self.program, "save", "-o", path, tag]]

    def load(self, path):
        return [[self.program, "load", "-q", "-i", path]]

    def forget(self, name):
        return [[self.program, "rmi", "-f", name], [self.program, "builder", "prune", "-af"]]

    def prune(self):
        return [[self.program, "builder", "prune", "-af"]]

    def export_cache(self, tag, name):
        return self.build(tag, "--cache-to", f"type=registry,ref={name},mode=max")

    def import_cache(self, tag, name):
        return self.build(tag, "--cache-from", f"type=registry,ref={name}")


class Buildah(Peer):
    name = "buildah"

    def __init__(self, scratch):
        super().__init__()
        self.command = ["buildah", "--storage-driver", "overlay", "--root", os.path.join(scratch, "buildah"),
                        "--runroot", os.path.join(scratch, "buildah-run")]

    def version(self):
        return [["buildah", "--version"]]

    def images(self):
        return [[*self.command, "images"]]

    def build(self, tag, *options):
        return [[*self.command, "bud", "--layers", "--tls-verify=false", "--isolation", "chroot", "--jobs",
                 str(os.cpu_count()), "-q", "-t", tag, *options, "."]]

    def output(self, kind, path, tag, compression=None):
        if kind == "oci":
            compressing = ["--compression-format", compression] if compression else []
            return [*self.build(tag), [*self.command, "push", "-q", *compressing, tag, f"oci-archive:{path}"]]
        return self.build(tag, "-o", f"type={kind},dest={path}")

    def pull(self, name):
        return [[*self.command, "pull", "-q", "--tls-verify=false", name]]

    def push(self, tag, name):
        return [[*self.command, "push", "-q", "--tls-verify=false", tag, f"docker://{name}"]]

    def save(self, tag, path):
        return [[*self.command, "push", "-q", tag, f"docker-archive:{path}:{tag}"]]

    def load(self, path):
        return [[*self.command, "pull", "-q", f"docker-archive:{path}"]]

    def forget(self, name):
        return [[*self.command, "rmi", "-f", name]]

    def prune(self):
        return [[*self.command, "rmi", "-af"]]

    def export_cache(self, tag, name):
        return self.build(tag, "--cache-to", name.rsplit(":", 1)[0])

    def import_cache(self, tag, name):
        return self.build(tag, "--cache-from", name.rsplit(":", 1)[0])


class DaemonPeer(Peer):
    """A client and its daemon, whose processor time and memory count with the client's."""

    def __init__(self, environment, daemon):
        super().__init__(environment)
        self.daemon = daemon

    def run(self, commands, cwd=None):
        self.daemon.reset()
        before = self.daemon.processor()
        reading = super().run(commands, cwd)
        reading.processor += self.daemon.processor() - before
        reading.memory += self.daemon.memory()
        return reading


class BuildKit(DaemonPeer):
    name = "BuildKit"

    def __init__(self, address, daemon):
        super().__init__({"DOCKER_HOST": address, "DOCKER_BUILDKIT": "1"}, daemon)

    def fresh(self, scratch):
        """The one daemon there is, emptied."""
        self.run([[DOCKER, "system", "prune", "-af"]])
        return self

    def version(self):
        return [[DOCKER, "--version"]]

    def images(self):
        return [[DOCKER, "images"]]

    def build(self, tag, *options):
        return [[DOCKER, "build", "-q", "--network=host", "-t", tag, *options, "."]]

    def output(self, kind, path, tag, compression=None):
        # The BuildKit inside of dockerd 20.10 writes no OCI archives.
        return None if kind == "oci" else [[DOCKER, "build", "-q", "--network=host", "-o", f"type={kind},dest={path}", "."]]

    def pull(self, name):
        return [[DOCKER, "pull", "-q", name]]

    def push(self, tag, name):
        return [[DOCKER, "tag", tag, name], [DOCKER, "push", "-q", name]]

    def save(self, tag, path):
        return [[DOCKER, "save", "-o", path, tag]]

    def load(self, path):
        return [[DOCKER, "load", "-q", "-i", path]]

    def forget(self, name):
        return [[DOCKER, "rmi", "-f", name], [DOCKER, "builder", "prune", "-af"]]

    def prune(self):
        return [[DOCKER, "builder", "prune", "-af"]]

    def export_cache(self, tag, name):
        # What dockerd 20.10 can: the cache inside of the image.
        return [*self.build(tag, "--build-arg", "BUILDKIT_INLINE_CACHE=1"), *self.push(tag, name)]

    def import_cache(self, tag, name):
        return self.build(tag, "--cache-from", name)


class BuildKitDaemon(DaemonPeer):
    """`buildkitd` of any version, driven by `buildctl`.

    It keeps no images under names, so it finds those of the cases in a registry, which it asks at each build.
    """

    name = "buildkitd"

    def __init__(self, address, daemon):
        super().__init__({"BUILDKIT_HOST": address}, daemon)

    def fresh(self, scratch):
        """The one daemon there is, emptied."""
        self.run(self.prune())
        return self

    def give_base(self, directory):
        with tempfile.TemporaryDirectory() as context:
            with open(os.path.join(context, "Dockerfile"), "w") as out:
                out.write("FROM localhost/base\nRUN true\n")
            self.run(self.build(None), cwd=context)

    def version(self):
        return [["buildctl", "--version"]]

    def images(self):
        return None

    def build(self, tag, *options):
        names = {"--cache-to": "--export-cache", "--cache-from": "--import-cache"}
        return [["buildctl", "build", "--frontend", "dockerfile.v0", "--local", "context=.", "--local", "dockerfile=.",
                 *[names.get(option, option) for option in options]]]

    def output(self, kind, path, tag, compression=None):
        attributes = f",compression={compression}" if compression else ""
        return self.build(tag, "--output", f"type={kind},dest={path}{attributes}")

    def pull(self, name):
        return None

    def push(self, tag, name):
        return self.build(tag, "--output", f"type=image,name={name},push=true")

    def save(self, tag, path):
        return None

    def load(self, path):
        return None

    def forget(self, name):
        return self.prune()

    def prune(self):
        return [["buildctl", "prune", "--all"]]

    def export_cache(self, tag, name):
        return self.build(tag, "--export-cache", f"type=registry,ref={name},mode=max")

    def import_cache(self, tag, name):
        return self.build(tag, "--import-cache", f"type=registry,ref={name}")


@contextlib.contextmanager
def buildkitd(scratch, host):
    """The `buildkitd` in PATH, for this run; None where there is none or it does not start.

    `host` is a registry that has localhost/base as base.
    """
    if not shutil.which("buildkitd") or not shutil.which("buildctl"):
        yield None
        return
    directory = os.path.join(scratch, "buildkitd")
    os.makedirs(directory)
    address = f"unix://{directory}/socket"
    configuration = os.path.join(directory, "buildkitd.toml")
    with open(configuration, "w") as out:
        out.write(f'[registry."localhost"]\n  mirrors = ["{host}"]\n[registry."{host}"]\n  http = true\n')
    with open(os.path.join(directory, "log"), "w") as log:
        # Steps with the host's network, as on a machine without plug-ins for networks.
        server = subprocess.Popen(
            ["buildkitd", "--containerd-worker=false", "--oci-worker-net=host", "--addr", address, "--root",
             f"{directory}/root", "--config", configuration], stdout=log, stderr=log)
    try:
        for _ in range(300):
            workers = subprocess.run(["buildctl", "--addr", address, "debug", "workers"], capture_output=True, check=False)
            if server.poll() is not None or workers.returncode == 0:
                break
            time.sleep(0.1)
        if server.poll() is None:
            yield BuildKitDaemon(address, measuring.Daemon(server.pid))
        else:
            print("buildkitd does not start here")
            yield None
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def dockerd(scratch):
    """A daemon of docker for this run; None where there is none or it does not start."""
    if not shutil.which("dockerd") or not os.path.exists(DOCKER):
        print("BuildKit: the package docker.io is missing")
        yield None
        return
    directory = os.path.join(scratch, "docker")
    os.makedirs(directory)
    address = f"unix://{directory}/socket"
    with open(os.path.join(directory, "log"), "w") as log:
        server = subprocess.Popen(
            ["dockerd", "--host", address, "--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec",
             "--pidfile", f"{directory}/pid", "--iptables=false", "--ip6tables=false", "--bridge=none"],
            stdout=log, stderr=log)
    try:
        for _ in range(300):
            if server.poll() is not None or os.path.exists(f"{directory}/socket"):
                break
            time.sleep(0.1)
        if server.poll() is None:
            yield BuildKit(address, measuring.Daemon(server.pid))
        else:
            print("BuildKit: dockerd does not start here")
            yield None
    finally:
        server.terminate()
        server.wait()
