"""The builders: Slipway and its peers. Each has a store of its own, takes base images and saves what it built."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time


class BuildFailure(Exception):
    pass


class Missing(Exception):
    """The machine lacks what a peer needs."""


def run(command, environment=None, umask=-1):
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=1200, umask=umask,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode != 0:
        raise BuildFailure(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout + done.stderr


class Slipway:
    name, side, seconds = "slipway", "slipway", 0.0

    #: What the program is started with.
    prefix, umask = [], -1

    def __init__(self, program, scratch):
        self.program = program
        self.environment = {"SLIPWAY_ROOT": str(scratch / "slipway")}

    def start(self):
        pass

    def load(self, archive):
        run([*self.prefix, self.program, "load", "-i", archive], self.environment, self.umask)

    def build(self, name, dockerfile, context, options, archive):
        run([
            *self.prefix, self.program, "build", "--network", "none", "--progress", "plain", "--file", dockerfile,
            "--no-cache", *options, "--output", f"type=docker,dest={archive}", "--tag", name, context,
        ], self.environment, self.umask)

    def stop(self):
        pass


class Docker:
    """BuildKit as Debian's docker.io has it, in a daemon that is this test's own."""

    name, side, seconds = "docker", "peer", 0.0

    def __init__(self, scratch, inside=()):
        """`inside` starts the daemon in a network namespace, where it then has a bridge and its rules."""
        self.state = scratch / "docker"
        self.prefix = list(inside)
        self.network_options = [] if inside else ["--iptables=false", "--ip6tables=false", "--bridge=none"]
        # Paths of sockets have at most 107 bytes, and the daemon's own go deep.
        self.run = pathlib.Path(tempfile.mkdtemp(prefix="slipway-d-", dir="/tmp"))
        self.socket = f"unix://{self.run}/socket"
        self.environment = {
            "DOCKER_HOST": self.socket, "DOCKER_BUILDKIT": "1", "DOCKER_CONFIG": str(self.state / "client"),
        }
        self.daemon = None
        # Debian's own, whatever else of that name stands earlier on the path.
        self.program = "/usr/bin/docker"

    def start(self):
        for program in [self.program, "/usr/sbin/dockerd", "/usr/bin/containerd", "/usr/sbin/runc"]:
            if not os.access(program, os.X_OK):
                raise Missing(f"no {program} (apt-get install docker.io)")
        failures = []
        for driver in ["overlay2", "vfs"]:
            self.state.mkdir(parents=True, exist_ok=True)
            log = self.state / f"{driver}.log"
            with open(log, "wb") as output:
                self.daemon = subprocess.Popen([
                    *self.prefix, "/usr/sbin/dockerd", "--host", self.socket, "--data-root", self.state / "data",
                    "--exec-root", self.run / "exec", "--pidfile", self.run / "pid", "--storage-driver", driver,
                    *self.network_options,
                ], stdout=output, stderr=output, start_new_session=True)
            if self.answers():
                return
            self.end()
            failures.append(f"{driver}: " + log.read_text(errors="replace")[-600:])
        raise Missing("dockerd does not start here: " + "; ".join(failures))

    def answers(self):
        """Whether the daemon serves before it ends; it gets two minutes on a slow machine."""
        deadline = time.monotonic() + 120
        while self.daemon.poll() is None and time.monotonic() < deadline:
            if subprocess.run([self.program, "version"], capture_output=True,
                              env={**os.environ, **self.environment}).returncode == 0:
                return True
            time.sleep(0.1)
        return False

    def load(self, archive):
        run([self.program, "load", "-i", archive], self.environment)

    def build(self, name, dockerfile, context, options, archive):
        run([
            self.program, "build", "--network", "none", "--progress", "plain", "--file", dockerfile, "--no-cache",
            *options, "--tag", name, context,
        ], self.environment)
        run([self.program, "save", "-o", archive, name], self.environment)

    def end(self):
        """Ends the daemon, which ends the containerd that it started."""
        if self.daemon is None:
            return
        self.daemon.terminate()
        try:
            self.daemon.wait(timeout=120)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.daemon = None

    def stop(self):
        self.end()
        remove(self.run)


class Buildah:
    name, side, seconds = "buildah", "peer", 0.0

    def __init__(self, scratch):
        self.state = scratch / "buildah"
        self.environment = {"TMPDIR": str(self.state / "tmp")}

    @property
    def command(self):
        return ["buildah", "--root", self.state / "root", "--runroot", self.state / "run", "--storage-driver", self.driver]

    def start(self):
        if shutil.which("buildah") is None:
            raise Missing("no buildah (apt-get install buildah)")
        (self.state / "tmp").mkdir(parents=True, exist_ok=True)
        for self.driver in ["overlay", "vfs"]:
            try:
                run([*self.command, "images"], self.environment)
                return
            except BuildFailure as failure:
                reason = str(failure)
        raise Missing(reason)

    def load(self, archive):
        run([*self.command, "pull", f"docker-archive:{archive}"], self.environment)

    def build(self, name, dockerfile, context, options, archive):
        run([
            *self.command, "bud", "--isolation", "chroot", "--network", "host", "--pull-never", "--format", "docker",
            "--identity-label=false", "--file", dockerfile, *options, "--tag", name, context,
        ], self.environment)
        run([*self.command, "push", "--quiet", name, f"docker-archive:{archive}:{name}"], self.environment)

    def stop(self):
        subprocess.run(["umount", self.state / "root" / "overlay"], capture_output=True)


def remove(scratch):
    """Removes the scratch directory, first letting go of what is still mounted in it."""
    for line in reversed(pathlib.Path("/proc/self/mounts").read_text().splitlines()):
        point = line.split()[1]
        if point.startswith(f"{scratch}/"):
            subprocess.run(["umount", "--lazy", point], capture_output=True)
    shutil.rmtree(scratch, ignore_errors=True)
