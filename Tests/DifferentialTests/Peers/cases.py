"""The cases: text files of sections, so that a Dockerfile stands in them as it would in a directory of its own."""
import pathlib
import re
import subprocess

SECTIONS = {"context", "Dockerfile", "peer Dockerfile", "history", "peer context", "without"}


class Case:
    """
    A Dockerfile and how it is built.

    - `context`: a shell script that makes the context, run in the empty directory with umask 022.
    - `peer context`: what a peer's context has besides.
    - `peer Dockerfile`: for a feature that no packaged builder knows: the same result said without it.
    - `history`: the created_by texts of the steps after the base, where no peer can tell them.
    - `args:` options given to every builder; `slipway args:` and `peer args:` to one side only.
    - `fails:` every builder refuses; ours with a message that contains this.
    - `peers:` who builds it too, with the reason after a dash where one cannot; before the first case, for the whole file.
    """

    def __init__(self, name, file, options):
        self.name, self.file = name, file
        self.sections, self.options = {}, options

    def options_for(self, side):
        text = " ".join([self.options.get("args", ""), self.options.get(side + " args", "")])
        return text.split()

    def dockerfile(self, side):
        if side == "peer" and "peer Dockerfile" in self.sections:
            return self.sections["peer Dockerfile"]
        return self.sections["Dockerfile"]

    @property
    def has_equivalent(self):
        return "peer Dockerfile" in self.sections

    @property
    def expected_history(self):
        return [line.replace("\\n", "\n") for line in self.sections["history"].splitlines()] if "history" in self.sections else None

    @property
    def peers(self):
        return self.options["peers"].split(" - ")[0].split()

    def make_contexts(self, directory):
        """The Dockerfile and the context of either side, made once: what is compared must not have been made twice."""
        made = {"slipway": self.make_context(directory / "slipway", "slipway")}
        made["peer"] = made["slipway"]
        if "peer context" in self.sections or self.has_equivalent:
            made["peer"] = self.make_context(directory / "peer", "peer", copied_from=made["slipway"][1])
        return made

    def make_context(self, directory, side, copied_from=None):
        context = directory / "context"
        directory.mkdir(parents=True)
        if copied_from is None:
            context.mkdir()
            self.run_script("context", context)
        else:
            subprocess.run(["cp", "-a", copied_from, context], check=True)
            self.run_script("peer context", context)
        dockerfile = directory / "Dockerfile"
        dockerfile.write_bytes(self.dockerfile(side).encode(errors="surrogateescape"))
        return dockerfile, context

    def run_script(self, section, directory):
        script = "umask 022\n" + self.sections.get(section, "")
        made = subprocess.run(["sh", "-euc", script], cwd=directory, capture_output=True, text=True)
        if made.returncode != 0:
            raise RuntimeError(f"{section} of {self.name}: {made.stderr}")


def read_cases(directory):
    cases = []
    for file in sorted(pathlib.Path(directory).glob("*.case")):
        case, section, defaults = None, None, {}
        for line in file.read_text().splitlines(keepends=True):
            if match := re.fullmatch(r"=== (\S+)\n", line):
                case, section = Case(match[1], file.name, dict(defaults)), None
                cases.append(case)
            elif (match := re.fullmatch(r"--- (.+)\n", line)) and match[1] in SECTIONS:
                section = match[1]
                case.sections[section] = ""
            elif section is not None:
                case.sections[section] += line
            elif match := re.fullmatch(r"([a-z ]+): *(.*)\n", line):
                (defaults if case is None else case.options)[match[1]] = match[2]
    names = [case.name for case in cases]
    duplicates = {name for name in names if names.count(name) > 1}
    if duplicates:
        raise RuntimeError(f"two cases of one name: {duplicates}")
    for case in cases:
        # A blank line before the next case is layout, not text.
        case.sections = {name: text.rstrip("\n") + "\n" if text else "" for name, text in case.sections.items()}
    return cases
