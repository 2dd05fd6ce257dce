"""
Builds Dockerfiles in surroundings that differ and prints those whose layers do too, as JSON.

usage: reproducible.py --slipway PROGRAM --scratch DIR [--jobs N]

What differs: the clock, the umask, the owner of the context's files, the directories of context and store, the host's name,
the time zone and language, and how many processors there are. What a copy keeps of a context is part of it: content, modes,
times and attributes are the same every time.

The clock goes on from build to build, which is enough: layers hold times to the nanosecond, so one that came from the clock
would tell them apart. Under libfaketime, which could set it back, some builds never end.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys

from archives import Image
from bases import make_bases
from builders import BuildFailure, Slipway, remove
from cases import read_cases

HERE = pathlib.Path(__file__).resolve().parent.parent

NAMES = """
copy-file-to-directory copy-rename-into-new-directory copy-replaces-file copy-several-sources copy-directory-contents
copy-whole-context copy-to-working-directory copy-wildcard copy-wildcard-directories copy-special-names copy-modes
copy-owner-is-root copy-chown copy-chmod-octal copy-symlink-kept-in-directory copy-through-destination-symlink
copy-hard-links copy-xattrs copy-old-times copy-link copy-parents copy-exclude copy-from-image add-plain add-tar
add-tar-no-directories-listed add-tar-over-existing ignore-directory-and-exception heredoc-copy heredoc-copy-flags
workdir-creates workdir-owner-of-user workdir-through-symlink stages-chain-and-scratch times-application times-removals
times-of-user times-nothing-done run-mount-times run-no-stub-times
""".split()

#: Umask, owner of the context, depth of the directories, host's name, time zone, processors.
SURROUNDINGS = [
    (0o022, (0, 0), 0, "first", "UTC", None),
    (0o077, (1000, 1000), 1, "second", "Asia/Tokyo", "0"),
    (0o002, (0, 0), 2, "third", "America/Lima", None),
    (0o000, (65534, 1), 3, "fourth", "UTC", "0"),
    (0o027, (0, 77), 4, "a-much-longer-host-name", "Europe/Oslo", None),
    (0o777, (1234, 0), 5, "sixth", "UTC", "0"),
    (0o022, (5, 6), 6, "seventh", "Africa/Cairo", None),
    (0o177, (99, 99), 7, "eighth", "Pacific/Apia", "0"),
]


class Surroundings(Slipway):
    """Slipway with a store, a host name, a date and habits of its own."""

    def __init__(self, program, scratch, number):
        umask, self.owner, depth, host, zone, processors = SURROUNDINGS[number]
        self.directory = scratch / f"s{number}" / "/".join("d" * depth)
        super().__init__(program, self.directory)
        self.environment.update(TZ=zone, LANG="C" if number % 2 else "C.UTF-8")
        self.umask = umask
        self.prefix = ["unshare", "--uts", "sh", "-c", f'hostname {host} && exec "$@"', "sh"]
        if processors is not None:
            self.prefix += ["taskset", "--cpu-list", processors]

    def layers(self, case, contexts):
        dockerfile, context = contexts["slipway"]
        mine = self.directory / "contexts" / case.name
        mine.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", context, mine], check=True)
        # The owner changes nothing else of a file; set-id bits and capabilities have to be put back.
        for root, directories, files in os.walk(mine):
            for name in directories + files:
                path = os.path.join(root, name)
                mode = os.lstat(path).st_mode
                os.lchown(path, *self.owner)
                if not os.path.islink(path):
                    os.chmod(path, mode & 0o7777)
        os.utime(mine, (0, 1_000_000 * (len(str(mine)))))
        archive = mine.parent / f"{case.name}.tar"
        self.build(case.name, dockerfile, mine, case.options_for("slipway"), archive)
        diff_ids = Image(archive).diff_ids
        shutil.rmtree(mine)
        archive.unlink()
        return diff_ids


def judge(case, builders, scratch):
    contexts = case.make_contexts(scratch / "cases" / case.name)
    try:
        made = [builder.layers(case, contexts) for builder in builders]
    except BuildFailure as failure:
        return [str(failure)]
    return [f"surroundings {number}: {other} instead of {made[0]}"
            for number, other in enumerate(made) if other != made[0]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--slipway", required=True)
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=4)
    options = parser.parse_args()
    scratch = options.scratch.resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    cases = {case.name: case for case in read_cases(HERE / "Cases")}
    try:
        paths, _ = make_bases(scratch)
        builders = [Surroundings(options.slipway, scratch, number) for number in range(len(SURROUNDINGS))]
        for builder in builders:
            for path in paths.values():
                builder.load(path)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            reports = pool.map(lambda name: judge(cases[name], builders, scratch), NAMES)
            results = dict(zip(NAMES, reports))
    finally:
        remove(scratch)
    json.dump({"cases": results, "surroundings": len(SURROUNDINGS)}, sys.stdout, indent=1)
    print()


main()
