"""
Sessions at a command line: case files, how their commands run, and what of the answers is compared.

A case begins with `=== name`; options follow as `name: value`, then lines by their first characters:

- `$ COMMAND`: runs on either side, and status, stdout and stderr are compared. Indented lines continue it.
- `: COMMAND`: prepares something; it must succeed on either side.
- `? COMMAND`: is repeated until it succeeds, for at most ten seconds.
- `% COMMAND`: runs on a terminal; the indented lines below say what is typed and what is waited for (terminals.py).

`docker` is the program of that side, `$c` the name of the case, for containers, and the directory is the case's own.
A case with `alone: yes` runs while no other does.
"""
import os
import pathlib
import re
import signal
import subprocess
import time

from terminals import converse

KINDS = {"$ ": "compared", ": ": "prepared", "? ": "awaited", "% ": "terminal"}
LIMIT = 20


class Case:
    def __init__(self, name, file):
        self.name, self.file = name, file
        self.steps, self.options = [], {}


class Step:
    def __init__(self, kind, text):
        self.kind, self.text, self.script = kind, text, []


def read_cases(directory):
    cases = []
    for file in sorted(pathlib.Path(directory).glob("*.case")):
        for line in file.read_text().splitlines():
            if line.startswith("=== "):
                cases.append(Case(line[4:], file.name))
            elif line.startswith("#") or not line.strip() or not cases:
                continue
            elif line[:2] in KINDS:
                cases[-1].steps.append(Step(KINDS[line[:2]], line[2:]))
            elif line.startswith("  "):
                step = cases[-1].steps[-1]
                if step.kind == "terminal":
                    step.script.append(line.strip())
                else:
                    step.text += "\n" + line.strip()
            elif match := re.fullmatch(r"([a-z]+): (.*)", line):
                cases[-1].options[match[1]] = match[2]
            else:
                raise RuntimeError(f"{file.name}: what is {line!r}?")
    names = [case.name for case in cases]
    if len(set(names)) != len(names):
        raise RuntimeError(f"two cases of one name: {sorted(name for name in names if names.count(name) > 1)}")
    return cases


class Normaliser:
    """Replaces what differs between two runs of one program. One per case and side, as ids are numbered by their first use."""

    def __init__(self, side, directory):
        self.side, self.directory = side, str(directory)
        self.ids = {}

    def __call__(self, text, of_errors):
        text = text.replace(self.directory, "<dir>")
        if self.side.name == "slipway":
            text = re.sub(r"\bslipway\b", "docker", text)
        if of_errors:
            text = errors(text)
        text = re.sub(r"\b(?:[0-9a-f]{64}|[0-9a-f]{12})\b", self.number, text)
        text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d| \+0000 UTC)", time_mark, text)
        if re.search(r"\b(ago|Up)\b", text):
            text = re.sub(r"(Less than a second|About an? \w+|\d+ \w+) ago", "<ago>", text)
            text = re.sub(r"Up (Less than a second|About an? \w+|\d+ \w+)", "Up <for>", text)
            # The columns are as wide as the words that went.
            text = re.sub(r" {2,}", "  ", text)
        text = re.sub(r"\b172\.\d+\.\d+\.\d+\b|\b10\.\d+\.\d+\.\d+\b", "<address>", text)
        return re.sub(r"\b(02:42(:[0-9a-f]{2}){4})\b", "<mac>", text)

    def number(self, match):
        return f"<id{self.ids.setdefault(match[0][:12], len(self.ids) + 1)}:{len(match[0])}>"


def time_mark(match):
    return "<zero time>" if match[0].startswith("0001-01-01") else "<time>"


#: What docker's client says when the end of a container overtakes it.
OVERTAKEN = (
    r'^(time="[^"]*" level=error msg="error waiting for container: context canceled"'
    r"|\x1b\[31mERRO\x1b\[0m\[\d+\] error waiting for container: context canceled *"
    r"|failed to resize tty, using default size)(\\r)?\n"
)
#: What the shim and runc put before their reason.
RUNTIME = (
    r"(failed to create (shim )?task( for container)?: )?(OCI runtime \w+ failed: )?((runc )?(exec|create) failed: )"
    r"(unable to start container process: |starting container process caused: )?"
)


def errors(text):
    """
    Makes one of texts that say the same.

    28 says how to get help in other words than 20.10. There is no daemon in Slipway, so that its commands speak alike
    wherever a thing is found out; they name the flag with each value that is wrong, where only docker's client does.
    """
    text = re.sub(OVERTAKEN, "", text, flags=re.M)
    help_text = r"((\\r)?\n)*^(See '.* --help'\.|Usage:  |Run '.* --help' for more).*"
    text = re.sub(help_text, lambda found: found[2] + "\n" if found[2] else "\n", text, flags=re.S | re.M)
    text = re.sub(r'^"(docker[^"\n]*)" (requires|accepts) (exactly )?([^\n]*)\.$', r"'\1' \2 \4", text, flags=re.M)
    return re.sub(r"^.+$", lambda line: reason(line[0]), text, flags=re.M)


def reason(line):
    """An error without who speaks, of which flag, and how a sentence is written."""
    end = "\\r" if line.endswith("\\r") else ""
    line = line.removesuffix("\\r")
    line = re.sub(r"^(docker: )?(Error response from daemon: |Error: )?", "", line)
    line = re.sub(r'^invalid argument ".*" for ".*" flag: ', "", line)
    line = re.sub(r": unknown\.?$", "", re.sub(RUNTIME, "", line)).removesuffix(".")
    return line[:1].lower() + line[1:] + end


def play(case, side, directory):
    """Runs all steps of a case on one side; gives what is compared of each."""
    here = directory / side.name / case.name
    here.mkdir(parents=True)
    normalise = Normaliser(side, here)
    answers = []
    for step in case.steps:
        environment = {**os.environ, **side.environment, "c": case.name, "TZ": "UTC", "TERM": "dumb"}
        command = [*side.inside, "sh", "-c", step.text]
        if step.kind == "terminal":
            status, screen = converse(command, step.script, here, environment, LIMIT)
            answers.append({"status": status, "screen": normalise(screen, of_errors=True)})
        elif step.kind == "awaited":
            answers.append(until_success(command, here, environment))
        else:
            status, stdout, stderr = run(command, here, environment)
            stdout, stderr = failure_of_exec(stdout, stderr)
            answer = {"status": status, "stdout": normalise(stdout, False), "stderr": normalise(stderr, True)}
            answers.append(answer if step.kind == "compared" else {"prepared": status and answer})
    tidy(case, side, here)
    return answers


def failure_of_exec(stdout, stderr):
    """Docker's daemon writes why it could not start a process where that process would have written."""
    match = re.fullmatch(r"((OCI runtime exec failed:|unable to find user|unable to find group) [^\n]*)\r\n", stdout)
    return ("", match[1] + "\n") if match else (stdout, stderr)


def run(command, directory, environment):
    process = subprocess.Popen(
        command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=LIMIT)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        status = f"still running after {LIMIT} s"
    return status, stdout.decode(errors="backslashreplace"), stderr.decode(errors="backslashreplace")


def until_success(command, directory, environment):
    deadline = time.monotonic() + 10
    while True:
        status, stdout, stderr = run(command, directory, environment)
        if status == 0 or time.monotonic() > deadline:
            return {"awaited": status and stdout + stderr}
        time.sleep(0.05)


def tidy(case, side, directory):
    """Removes the containers that bear the name of the case."""
    names = run([*side.inside, "docker", "ps", "-a", "--format", "{{.Names}}"], directory, side.environment)[1].split()
    mine = [name for name in names if name == case.name or name.startswith(case.name + ".")]
    if mine:
        run([*side.inside, "docker", "rm", "-f", "-v", *mine], directory, side.environment)
