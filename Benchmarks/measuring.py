"""Runs commands and says what they cost."""

import contextlib
import os
import re
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")


class Reading:
    """What one run took: wall-clock and processor time in milliseconds, the largest resident size in MB."""

    def __init__(self, wall, processor, memory):
        self.wall = wall
        self.processor = processor
        self.memory = memory


class Failure(Exception):
    """A command that failed, with the end of what it wrote."""


def run(commands, cwd=None, env=None, become=None):
    """Runs commands one after the other and gives their Reading; `become` makes the child another user's before it executes one.

    Raises Failure for a command that fails.
    """
    start = time.perf_counter()
    processor = memory = 0
    for command in commands:
        process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=become)
        output = process.stdout.read()
        process.stdout.close()
        # wait4 counts the children that the command has waited for, too.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Failure(f"{' '.join(command)}: exit {process.returncode}\n{output.decode(errors='replace')[-2000:]}")
        processor += usage.ru_utime + usage.ru_stime
        memory = max(memory, usage.ru_maxrss / 1024)
    return Reading((time.perf_counter() - start) * 1000, processor * 1000, memory)


# Writes 200 MB a second into a file of 2 GB, over and over, and never waits for the disk.
WRITER = """
import sys, time
piece = bytes(4_000_000)
with open(sys.argv[1], "wb", buffering=0) as out:
    start = time.monotonic()
    written = 0
    while True:
        if written % 2_000_000_000 == 0:
            out.seek(0)
        out.write(piece)
        written += len(piece)
        time.sleep(max(0, written / 200_000_000 - (time.monotonic() - start)))
"""


@contextlib.contextmanager
def neighbour(path):
    """Another program that fills the page cache with what it writes to `path`."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, path])
    try:
        yield
    finally:
        process.kill()
        process.wait()
        os.remove(path)


class Daemon:
    """A daemon and the processes that it started: what they take while a client waits for them."""

    def __init__(self, pid):
        self.pid = pid

    def processes(self):
        """The daemon and all that descend from it, also those whose parent has gone: they kept its process group or session."""
        parents = {}
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    parents[int(entry)] = int(stat.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                pass
        found = [self.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def reset(self):
        """Starts to count peaks anew."""
        for pid in self.processes():
            try:
                with open(f"/proc/{pid}/clear_refs", "w") as out:
                    out.write("5")
            except OSError:
                pass

    def memory(self):
        """The sum of the peaks since `reset`, in MB."""
        total = 0
        for pid in self.processes():
            try:
                with open(f"/proc/{pid}/status") as status:
                    peak = re.search(r"VmHWM:\s+(\d+)", status.read())
                total += int(peak.group(1)) / 1024 if peak else 0
            except OSError:
                pass
        return total

    def processor(self):
        """Milliseconds of processor time so far, also of children that have ended."""
        total = 0
        for pid in self.processes():
            try:
                with open(f"/proc/{pid}/stat") as stat:
                    total += sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:15]))
            except OSError:
                pass
        return total * 1000 / TICK
