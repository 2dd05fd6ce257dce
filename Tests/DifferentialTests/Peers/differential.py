"""
Builds every case with Slipway and its peers and prints what differs, as JSON.

usage: differential.py --slipway PROGRAM --scratch DIR [--jobs N] [--keep] [CASE...]

`Accepted.txt` lists the differences that are meant: `case | peer | difference | reason`, the first three as shell
patterns. An entry that no difference used is reported, so that the table cannot grow stale.
"""
import argparse
import concurrent.futures
import fnmatch
import json
import pathlib
import sys
import time

from archives import Image
from bases import make_bases
from builders import BuildFailure, Buildah, Docker, Missing, Slipway, remove
from cases import read_cases
from comparison import compare

HERE = pathlib.Path(__file__).resolve().parent.parent


class Accepted:
    def __init__(self, line):
        self.line = line
        self.case, self.peer, self.difference, self.reason = [field.strip() for field in line.split(" | ", 3)]
        self.used = False

    def covers(self, case, peer, name):
        pairs = [(case, self.case), (peer, self.peer), (name, self.difference)]
        # Names have indexes in brackets: only `*` and `?` are patterns.
        return all(fnmatch.fnmatchcase(text, pattern.replace("[", "[[]")) for text, pattern in pairs)

    def is_of(self, peer):
        return fnmatch.fnmatchcase(peer.name, self.peer)


def read_accepted():
    lines = (HERE / "Accepted.txt").read_text().splitlines()
    return [Accepted(line) for line in lines if line.strip() and not line.startswith("#")]


def build(builder, case, contexts, scratch):
    """The image that a builder makes of a case, or why it refused."""
    dockerfile, context = contexts[builder.side]
    archive = scratch / "cases" / case.name / f"{builder.name}.tar"
    start = time.monotonic()
    try:
        builder.build(case.name, dockerfile, context, case.options_for(builder.side), archive)
        return Image(archive), None
    except BuildFailure as failure:
        return None, str(failure)
    finally:
        builder.seconds += time.monotonic() - start


def differences(case, peer, ours, refusal, contexts, scratch, base_diff_ids):
    theirs, their_refusal = build(peer, case, contexts, scratch)
    expected = case.options.get("fails")
    if expected is not None:
        found = [] if ours is None and expected in refusal else [("result", refusal or "built", f"refuses: {expected}")]
        return found + ([] if theirs is None else [("refusal", "refuses", "builds")])
    if ours is None:
        return [("result", refusal, their_refusal or "builds")]
    if theirs is None:
        return [("refusal", "builds", their_refusal)]
    is_buildkit = peer.name == "docker"
    found = compare(
        ours, theirs, base_diff_ids, layer_by_layer=is_buildkit,
        with_history=is_buildkit and not case.has_equivalent, expected_history=case.expected_history,
    )
    return [(difference.name, difference.ours, difference.theirs) for difference in found]


def judge(case, slipway, peers, accepted, scratch, base_diff_ids):
    contexts = case.make_contexts(scratch / "cases" / case.name)
    ours, refusal = build(slipway, case, contexts, scratch)
    report = []
    for peer in peers:
        if peer.name not in case.peers:
            continue
        for name, mine, other in differences(case, peer, ours, refusal, contexts, scratch, base_diff_ids):
            entry = next((entry for entry in accepted if entry.covers(case.name, peer.name, name)), None)
            if entry is not None:
                entry.used = True
            else:
                report.append(f"{peer.name}: {name}: slipway {mine!r}, peer {other!r}")
    return report


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--slipway", required=True)
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    scratch = options.scratch.resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    cases = [case for case in read_cases(HERE / "Cases") if not options.cases or case.name in options.cases]
    accepted = read_accepted()
    slipway = Slipway(options.slipway, scratch)
    peers, missing = [], {}
    try:
        for peer in [Docker(scratch), Buildah(scratch)]:
            try:
                peer.start()
                peers.append(peer)
            except Missing as reason:
                missing[peer.name] = str(reason)
                peer.stop()
        paths, base_diff_ids = make_bases(scratch)
        for builder in [slipway, *peers]:
            for path in paths.values():
                builder.load(path)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            reports = pool.map(lambda case: judge(case, slipway, peers, accepted, scratch, base_diff_ids), cases)
            results = {case.name: report for case, report in zip(cases, reports)}
    finally:
        for peer in peers:
            peer.stop()
        if not options.keep:
            remove(scratch)
    seconds = {builder.name: round(builder.seconds) for builder in [slipway, *peers]}
    # A peer that is not here has used nothing.
    present = [entry for entry in accepted if any(entry.is_of(peer) for peer in peers)]
    unused = [entry.line for entry in present if not entry.used] if not options.cases else []
    json.dump({"cases": results, "missing": missing, "unused": unused, "seconds": seconds}, sys.stdout, indent=1)
    print()


main()
