"""
Runs the sessions of `ContainerCases` with Slipway and with Docker and prints how their answers differ, as JSON.

usage: containers.py --slipway PROGRAM --scratch DIR [--jobs N] [--keep] [CASE ...]

Either side has a network namespace of its own, where its commands run too, so that what they publish, route or filter
never meets the other's nor the machine's. Differences that are meant are in `AcceptedContainers.txt`; a line there that
nothing needs is printed too.
"""
import argparse
import concurrent.futures
import fnmatch
import json
import pathlib
import subprocess
import sys
import time

import bases
from builders import Docker, Missing, Slipway, remove
from transcripts import play, read_cases

HERE = pathlib.Path(__file__).resolve().parent.parent

#: The images of the sessions, beside those that builds use: all of the layer of busybox, with its user `app`.
IMAGES = {
    "tools": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
    "service": {
        "Env": ["PATH=/bin", "FROM_IMAGE=yes"], "Entrypoint": ["/bin/echo", "entry"], "Cmd": ["default", "words"],
        "User": "app", "WorkingDir": "/srv/odd", "Volumes": {"/data/deep": {}}, "StopSignal": "SIGINT",
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}}, "Labels": {"origin": "image", "kept": "yes"},
    },
}


class Network:
    """A network namespace that lives as long as the process that holds it."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep 3600"],
            stdout=subprocess.PIPE, text=True,
        )
        self.holder.stdout.readline()
        self.inside = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]

    def end(self):
        self.holder.kill()
        self.holder.wait()


def named_docker(scratch, side, program):
    """Lets a side's commands call its program `docker`."""
    directory = scratch / "programs" / side.name
    directory.mkdir(parents=True)
    wrapper = directory / "docker"
    wrapper.write_text(f'#!/bin/sh\nexec "{program}" "$@"\n')
    wrapper.chmod(0o755)
    side.environment["PATH"] = f"{directory}:/usr/sbin:/usr/bin:/sbin:/bin"


class Accepted:
    def __init__(self, line):
        self.line = line
        self.case, self.command, self.field, self.ours, self.reason = [part.strip() for part in line.split(" | ", 4)]
        self.used = False

    def covers(self, difference):
        shown = str(difference["slipway"]).rstrip("\n").replace("\n", "\\n").replace("\t", "\\t")
        pairs = [
            (difference["case"], self.case), (difference["command"], self.command), (difference["field"], self.field),
            (shown, self.ours),
        ]
        # Outputs have brackets: only `*` and `?` are patterns.
        return all(fnmatch.fnmatchcase(text, pattern.replace("[", "[[]")) for text, pattern in pairs)


def differences(case, sides, scratch):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        ours, theirs = pool.map(lambda side: play(case, side, scratch), sides)
    for step, mine, other in zip(case.steps, ours, theirs):
        for field in mine:
            # What had to succeed, and what did not end.
            failed = field in ("prepared", "awaited") and (mine[field] or other[field]) or isinstance(mine.get("status"), str)
            if mine[field] != other[field] or failed:
                yield {
                    "case": case.name, "command": step.text, "field": field, "slipway": mine[field],
                    "docker": other[field],
                }


def judge(case, sides, accepted, scratch):
    report = []
    for difference in differences(case, sides, scratch):
        entry = next((entry for entry in accepted if entry.covers(difference)), None)
        if entry is None:
            report.append(difference)
        else:
            entry.used = True
    return report


def play_all(cases, sides, accepted, scratch, jobs):
    def judged(case, directory):
        return case.name, judge(case, sides, accepted, directory)

    alone = [case for case in cases if "alone" in case.options]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = dict(pool.map(lambda case: judged(case, scratch), [case for case in cases if case not in alone]))
    # On a busy machine a command of either side may miss its moment: what differs once only is no difference of the programs.
    alone += [case for case in cases if results.get(case.name)]
    return results | dict(judged(case, scratch / "alone") for case in alone)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--slipway", required=True)
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    scratch = options.scratch.resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    cases = [case for case in read_cases(HERE / "ContainerCases") if not options.cases or case.name in options.cases]
    lines = (HERE / "AcceptedContainers.txt").read_text().splitlines()
    accepted = [Accepted(line) for line in lines if line.strip() and not line.startswith("#")]
    result = {"cases": {}, "unused": [], "missing": None}
    networks = [Network(), Network()]
    slipway, docker = Slipway(options.slipway, scratch), Docker(scratch, networks[1].inside)
    start = time.monotonic()
    try:
        docker.start()
        for side, network, program in [(slipway, networks[0], options.slipway), (docker, networks[1], docker.program)]:
            side.inside = network.inside
            named_docker(scratch, side, program)
            load_images(side, scratch)
        result["cases"] = play_all(cases, [slipway, docker], accepted, scratch / "cases", options.jobs)
        result["unused"] = [entry.line for entry in accepted if not entry.used] if not options.cases else []
    except Missing as reason:
        result["missing"] = str(reason)
    finally:
        docker.stop()
        for network in networks:
            network.end()
        if not options.keep:
            remove(scratch)
    result["commands"] = sum(step.kind in ("compared", "terminal") for case in cases for step in case.steps)
    result["seconds"] = round(time.monotonic() - start)
    json.dump(result, sys.stdout, indent=1)
    print()


def load_images(side, scratch):
    layer = bases.busybox_layer()
    for name, configuration in IMAGES.items():
        archive = scratch / f"{side.name}-{name}.tar"
        bases.write_base(archive, name, layer, configuration)
        side.load(archive)


main()
