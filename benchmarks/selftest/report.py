"""The results of a selftest: checks, times, and the report in JSON and in Markdown."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..__main__ import write
from ..report import NONE, number, table

__all__ = ["TOO_LONG", "Check", "PartRun", "Report"]

ISSUES = "https://github.com/gradcore/gradcore/issues"
WORDS = {True: "ok", False: "FAILED", None: "not run"}
TOO_LONG = "it took more than"
FACTS = ("device", "library", "system", "versions", "memory", "cores")
MOST_FAILURES = 12  # on the first screen
# The columns beside PyTorch: a heading, and the library divided by another one.
RATIOS = {
    "eager / PyTorch eager": ("gradcore", "torch"),
    "captured / PyTorch eager": ("gradcore-captured", "torch"),
    "captured / PyTorch's graph": ("gradcore-captured", "torch-captured"),
    "captured / floor": ("gradcore-captured", "floor"),
}
DECISIVE = ("mnist-sigmoid", "blitz-4", "blitz-128", "resnet20-64")


@dataclass
class Check:
    """The outcome of one check.

    Attributes:
        passed: `None` if the check could not be run here; `detail` says why.
        figures: numbers by name; times in seconds.
        text: more lines.
    """

    part: str
    name: str
    passed: bool | None
    detail: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    text: str = ""


@dataclass
class PartRun:
    """How a part went.

    Attributes:
        seconds: that it took, or has taken so far.
        limit: the seconds that it may take.
        state: "done", "running", or why it ended early.
    """

    about: str
    limit: float
    seconds: float = 0.0
    state: str = "running"


@dataclass
class Report:
    """The results so far.

    Attributes:
        command: what a reader types to run it again, without --only.
        only: the parts that were asked for; all, if there are none.
        planned: the names of all parts that are to run.
        state: "running", "done", or what ended it early.
        parts: those that have begun, by name.
    """

    backend: str
    quick: bool
    command: str
    folder: Path
    only: Sequence[str] = ()
    planned: Sequence[str] = ()
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M"))
    began: float = field(default_factory=time.monotonic)
    state: str = "running"
    parts: dict[str, PartRun] = field(default_factory=dict)
    checks: dict[tuple[str, str], Check] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, Path]:
        """selftest-NAME.json and selftest-NAME.md."""
        json, page = (self.folder / f"selftest-{self.backend}.{end}" for end in ("json", "md"))
        return json, page

    def add(self, check: Check) -> None:
        """Take a check, in the place of an earlier one of its name."""
        key = check.part, check.name
        if self.checks.get(key) != check:
            self.checks[key] = check
            print(f"  {WORDS[check.passed]:8} {check.name}: {check.detail}"[:400], flush=True)

    def write(self) -> None:
        """Write both files, each at once as a whole."""
        figures, page = self.files
        data = {
            "backend": self.backend,
            **{name: self.fact(name) for name in FACTS},
            "date": self.date,
            "command": self.command + only(self.only),
            "quick": self.quick,
            "state": self.state,
            "seconds": round(time.monotonic() - self.began, 1),
            "parts": {name: asdict(part) for name, part in self.parts.items()},
            "checks": [asdict(check) for check in self.checks.values()],
        }
        write(figures, json.dumps(data, indent=1) + "\n")
        write(page, self.markdown())

    def fact(self, name: str) -> str:
        check = self.checks.get(("facts", name))
        return check.detail if check else "unknown"

    def having(self, passed: bool | None) -> list[Check]:
        return [check for check in self.checks.values() if check.passed is passed]

    # -- The page ---------------------------------------------------------------------------

    def markdown(self) -> str:
        failed, counts = self.having(False), {p: len(self.having(p)) for p in WORDS}
        verdict = f"{counts[True]} checks passed"
        if failed:
            verdict = f"{len(failed)} of {counts[True] + len(failed)} checks FAILED"
        if self.state != "done":
            verdict += ", then it was cut off"
        elif left := self.unfinished():
            verdict += f"; {len(left)} of {len(self.planned or self.parts)} parts are not finished"
        told = ", ".join(f"{n} {WORDS[passed]}" for passed, n in counts.items())
        seconds = time.monotonic() - self.began
        lines = [
            f"# gradcore on {self.fact('device')}: {verdict}",
            f"`{self.command}{only(self.only)}`, {self.date}: {told}, in {seconds:.0f} s. "
            f"{self.ending()}",
            f"{self.fact('library')}; {self.fact('versions')}; {self.fact('system')}; "
            f"{self.fact('cores')}; {self.fact('memory')}.",
            *self.beside(),
            *self.trainings(),
            *self.failures(failed),
            "## What to do",
            "\n".join(f"- {line}" for line in self.advice()),
            "## The parts",
            table(
                ["part", "what it shows", "", "ok", "FAILED", "not run", "seconds", "limit"],
                [self.row(name, part) for name, part in self.parts.items()],
                words=3,
            ),
        ]
        for name, part in self.parts.items():
            lines += [f"## {name.capitalize()}: {part.about}", *self.details(name)]
        return "\n\n".join(lines) + "\n"

    def ending(self) -> str:
        if self.state == "running":
            return "**It still ran when this was written, or was killed.**"
        return "" if self.state == "done" else f"**{self.state}**"

    def failures(self, failed: Sequence[Check]) -> list[str]:
        if not failed:
            return []
        rows = [[c.part, cell(c.name), cell(c.detail, 160)] for c in failed[:MOST_FAILURES]]
        more = len(failed) - MOST_FAILURES
        rest = [f"And {more} more, in the tables below."] if more > 0 else []
        return ["## What failed", table(["part", "check", "what it says"], rows, words=3), *rest]

    def unfinished(self) -> list[str]:
        """The parts that did not come to their end, by name."""
        done = [name for name, part in self.parts.items() if part.state == "done"]
        return [name for name in self.planned or self.parts if name not in done]

    def advice(self) -> list[str]:
        """What to do next."""
        found, told, failed = self.files, [], self.having(False)
        if failed and all(TOO_LONG in check.detail for check in failed):
            told.append("Nothing computed wrong, but something took too long: start it again when")
            told[-1] += " the machine has less to do, or with more `--seconds`."
        elif failed:
            first = failed[0]
            told.append(
                f"Look at the first failure, `{first.part}: {first.name}`, before the others: they "
                f"may follow from it. `{self.command}{only([first.part])}` repeats its part."
            )
            told.append(f"Attach `{found[1].name}` to an issue at {ISSUES}.")
        if left := self.unfinished():
            told.append(f"Run what was cut off, or did not begin: `{self.command}{only(left)}`.")
        ways = self.checks.get(("smoke", "ways to convolve"))
        if ways and (lacks := re.search(r"cudnn \(nvidia.*(pip install .*)\)", ways.detail)):
            told.append(f"For faster convolutions, by cuDNN: `{lacks[1]}`.")
        if any(c.detail == "pip install pytest" for c in self.having(None)):
            told.append("`pip install pytest`, and start it again: the tests were not run.")
        if not told:
            told.append(f"Train: `python examples/mnist.py --epochs 2 --backend {self.backend}`.")
        if self.backend == "cupy" and not (left or self.only or self.quick):
            told.append("Keep this report: docs/explanation/gpu/reports.md says how.")
        return told

    def beside(self) -> list[str]:
        """The table of the networks beside PyTorch."""
        timed = {name: self.checks.get(("benchmarks", name)) for name in DECISIVE}
        rows = [self.ratios(name, check.figures) for name, check in timed.items() if check]
        if check := self.checks.get(("resnet9", "resnet9-512")):
            for kind, word in (("float32", ""), ("TF32", "-tf32"), ("float16", "-float16")):
                given = {}
                for name in ("gradcore", "torch"):
                    for end in ("", "-captured"):
                        given[f"{name}{end}"] = check.figures.get(f"{name}{word}{end}")
                given["floor"] = None if word else check.figures.get("floor")
                rows.append(self.ratios(f"resnet9-512, {kind}", given))
        rows = [row for row in rows if {*row[1:]} != {NONE}]
        if not rows:
            return []
        heads = ["step", "eager, ms", "captured, ms", "PyTorch eager, ms", *RATIOS]
        about = (
            "Where a ratio is 1 or less, gradcore is as fast or faster. Neither library uses TF32, "
        )
        about += "unless the row names it. Benchmarks, below, has both as they come, with TF32."
        return ["## Beside PyTorch", table(heads, rows), about]

    def trainings(self) -> list[str]:
        """The table of what trainings on real images reach."""
        found = [check for check in self.checks.values() if "accuracy" in check.figures]
        rows = [
            [check.name, f"{check.figures['accuracy']:.4f}", f"{check.figures['seconds']:.1f}"]
            for check in found
        ]
        return ["## Trainings", table(["", "accuracy", "seconds"], rows)] if rows else []

    def ratios(self, name: str, figures: Mapping[str, float | None]) -> list[str]:
        times = [figures.get(x) for x in ("gradcore", "gradcore-captured", "torch")]
        pairs = [(figures.get(a), figures.get(b)) for a, b in RATIOS.values()]
        return [
            name,
            *[number(t and 1e3 * t) for t in times],
            *[number(a / b if a and b else None) for a, b in pairs],
        ]

    def row(self, name: str, part: PartRun) -> list[str]:
        counts = [
            sum(c.part == name and c.passed is passed for c in self.checks.values())
            for passed in WORDS
        ]
        state = "" if part.state == "done" else part.state
        shown = [str(n) for n in counts]
        return [name, part.about, state, *shown, f"{part.seconds:.1f}", f"{part.limit:.0f}"]

    def details(self, name: str) -> list[str]:
        checks = [check for check in self.checks.values() if check.part == name]
        if not checks:
            return ["Nothing was found."]
        rows = [[cell(c.name), WORDS[c.passed], cell(c.detail)] for c in checks]
        lines = [table(["check", "", ""], rows, words=3)]
        texts = {check.name: check.text.strip() for check in checks}
        return lines + [f"{cell(n)}:\n\n```text\n{text}\n```" for n, text in texts.items() if text]


def only(parts: Sequence[str]) -> str:
    return f" --only {','.join(parts)}" if parts else ""


def cell(text: str, most: int = 2000) -> str:
    """A text in a cell of a table."""
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= most else f"{text[:most]} ..."
