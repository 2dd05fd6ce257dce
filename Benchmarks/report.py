"""Collects what was measured and shows it as ratios, as text and as JSON."""

import json
import os
import platform
import statistics
import subprocess


class Report:
    def __init__(self, names, path, is_busy=False):
        self.names = names
        self.path = path
        self.machine = {**machine(), "busy": is_busy}
        self.rows = []

    def add(self, case, readings):
        """Takes the readings of a case by the name of the peer; a peer that does not offer it has none."""
        row = {"case": case, "results": {}}
        for name, taken in readings.items():
            row["results"][name] = {
                "ms": round(statistics.median(reading.wall for reading in taken), 1),
                "cpu_ms": round(statistics.median(reading.processor for reading in taken), 1),
                "peak_mb": round(max(reading.memory for reading in taken), 1),
                "all_ms": [round(reading.wall, 1) for reading in taken],
            }
        self.rows.append(row)
        print(self.line(row), flush=True)
        if self.path:
            # After each case: a run takes long, and what it has found is not lost when it is stopped.
            with open(self.path, "w") as out:
                json.dump({"machine": self.machine, "rows": self.rows}, out, indent=1)
                out.write("\n")

    def heading(self):
        """The first line of the table; a ratio above 1 means that the peer takes that many times as much."""
        peers = "".join(f" | {name:>9}  (time  cpu  mem)" for name in self.names[1:])
        return f"{'median ms':38} {self.names[0]:>9}   cpu ms    MB{peers}"

    def line(self, row):
        results = row["results"]
        ours = results[self.names[0]]
        text = f"{row['case']:38} {ours['ms']:9.1f} {ours['cpu_ms']:8.0f} {ours['peak_mb']:5.0f}"
        for name in self.names[1:]:
            if name not in results:
                text += f" | {'-':>9} {'':17}"
                continue
            theirs = results[name]
            ratios = [theirs[key] / max(ours[key], 0.1) for key in ("ms", "cpu_ms", "peak_mb")]
            text += f" | {theirs['ms']:9.1f} {ratios[0]:6.1f}x {ratios[1]:4.1f} {ratios[2]:4.1f}"
        return text


def machine():
    """Where it was measured, and with which programs."""
    def first_line(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
        except (OSError, subprocess.CalledProcessError, IndexError):
            return None

    return {
        "processors": os.cpu_count(),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "load": round(os.getloadavg()[0], 1),
        "buildah": first_line("buildah", "--version"),
        "docker": first_line("/usr/bin/docker", "--version"),
        "buildkitd": first_line("buildkitd", "--version"),
        "crun": first_line("crun", "--version"),
    }
