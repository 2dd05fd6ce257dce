"""Tells two images of the same Dockerfile apart: a list of differences, each with a stable name."""
import time

from archives import WHITEOUT, merged

#: What the issue counts as the configuration of an image.
SETTINGS = [
    "Env", "Cmd", "Entrypoint", "WorkingDir", "User", "ExposedPorts", "Volumes", "Labels", "Healthcheck", "OnBuild",
    "Shell", "StopSignal", "ArgsEscaped",
]
#: Times older than this come from contexts, archives and steps that set them; younger ones are the build's own clock.
YOUNGEST_COMPARED = time.time() - 24 * 3600
#: The time that Slipway gives to what has no source, where others give the clock's (docs/dockerfile.md, Times).
UNDATED = 946_684_800


class Difference:
    def __init__(self, name, ours, theirs):
        self.name, self.ours, self.theirs = name, ours, theirs

    def __str__(self):
        return f"{self.name}: slipway {self.ours!r}, peer {self.theirs!r}"


def compare(ours, theirs, base_diff_ids, layer_by_layer, with_history, expected_history=None):
    """All differences of two images. Where layering differs by design the roots are compared instead of the layers."""
    found = configuration(ours, theirs)
    if expected_history is not None:
        found += lists("history", [entry.get("created_by") for entry in new_history(ours, base_diff_ids)],
                       expected_history)
    if with_history:
        found += history(ours, theirs, "created_by" if expected_history is None else None)
    if layer_by_layer:
        mine, other = [[layer for layer, diff in zip(image.layers, image.diff_ids) if diff not in base_diff_ids]
                       for image in (ours, theirs)]
        if len(mine) != len(other):
            found.append(Difference("layers", [sorted(layer) for layer in mine], [sorted(layer) for layer in other]))
        for index, (one, two) in enumerate(zip(mine, other)):
            found += trees(f"layer[{index}]", one, two)
    else:
        found += trees("root", merged(ours.layers), merged(theirs.layers))
    return found


def configuration(ours, theirs):
    found = []
    for key in SETTINGS:
        one, two = ours.config.get(key) or None, theirs.config.get(key) or None
        if one != two:
            found.append(Difference(f"config.{key}", one, two))
    for key in ["architecture", "os", "author"]:
        one, two = ours.document.get(key) or None, theirs.document.get(key) or None
        if one != two:
            found.append(Difference(key, one, two))
    return found


def new_history(image, base_diff_ids):
    """The entries after those of the base, which has one for each of its layers."""
    base = sum(1 for diff in image.diff_ids if diff in base_diff_ids)
    return image.history[base:]


def history(ours, theirs, wording):
    found = []
    if len(ours.history) != len(theirs.history):
        created = [[entry.get("created_by") for entry in image.history] for image in (ours, theirs)]
        return [Difference("history", *created)]
    for index, (one, two) in enumerate(zip(ours.history, theirs.history)):
        for key in filter(None, [wording, "comment", "empty_layer", "author"]):
            if (one.get(key) or None) != (two.get(key) or None):
                found.append(Difference(f"history[{index}].{key}", one.get(key), two.get(key)))
    return found


def lists(name, ours, theirs):
    return [] if ours == theirs else [Difference(name, ours, theirs)]


def trees(name, ours, theirs):
    found = []
    for path in sorted(ours.keys() | theirs.keys()):
        one, two = ours.get(path), theirs.get(path)
        if one is None or two is None:
            found.append(Difference(f"{name}{path} exists", one, two))
            continue
        if path.rpartition("/")[2].startswith(WHITEOUT):
            # Its name alone says everything; archives give it any mode and time.
            continue
        for key in sorted((one.keys() | two.keys()) - {"text"}):
            if one.get(key) != two.get(key) and not (key == "mtime" and is_of_clock(one, two)):
                shown = "text" if key == "content" else key
                found.append(Difference(f"{name}{path} {key}", one.get(shown), two.get(shown)))
    return found


def is_of_clock(ours, theirs):
    """Whether the peer took the time from the clock, as for every directory that it wrote into."""
    if theirs["mtime"] <= YOUNGEST_COMPARED:
        return False
    return theirs["type"] == "directory" or ours["mtime"] == UNDATED or ours["mtime"] > YOUNGEST_COMPARED
