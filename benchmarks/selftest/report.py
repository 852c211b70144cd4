"""The results of a selftest: checks, times, and the report in JSON and in Markdown."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from gradcore.backends import Backend

__all__ = ["Check", "Report"]

PACKAGES = ["numpy", "array-api-compat", "pytest", "torch", "cupy-cuda12x", "cupy-cuda13x"]
PACKAGES += ["nvidia-cudnn-frontend"]
WORDS = {True: "ok", False: "FAILED", None: "not run"}


@dataclass
class Check:
    """The outcome of one check.

    Attributes:
        passed: `None` if the check could not be run here; `detail` says why.
        figures: numbers by name; times in seconds.
    """

    part: str
    name: str
    passed: bool | None
    detail: str = ""
    figures: dict[str, float] = field(default_factory=dict)


@dataclass
class Report:
    """The results so far.

    Attributes:
        flags: those of the command line, besides --backend, that a reader needs to run it again.
        seconds: of each part that has run.
        benchmarks: all that `python -m benchmarks --json` wrote.
    """

    backend: Backend
    quick: bool
    flags: str
    checks: list[Check] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    benchmarks: dict[str, Any] = field(default_factory=dict)

    def add(self, check: Check) -> None:
        self.checks.append(check)
        print(f"  {WORDS[check.passed]:8} {check.name}: {check.detail}", flush=True)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write selftest-NAME.json and selftest-NAME.md; return their paths."""
        data = {
            **self.facts(),
            "seconds": self.seconds,
            "checks": [asdict(check) for check in self.checks],
            "benchmarks": self.benchmarks,
        }
        figures, page = (folder / f"selftest-{self.backend.name}.{end}" for end in ("json", "md"))
        figures.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
        page.write_text(self.markdown(), "utf-8")
        return figures, page

    def facts(self) -> dict[str, Any]:
        """Describe the backend, the machine and the installed packages."""
        versions = {"python": platform.python_version()}
        for package in PACKAGES:
            try:
                versions[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                continue
        return {
            "backend": self.backend.name,
            "device": self.backend.describe_device(),
            "library": self.backend.describe_library(),
            "memory": self.backend.describe_memory(),
            "system": platform.platform(),
            "date": time.strftime("%Y-%m-%d"),
            "versions": versions,
            "quick": self.quick,
        }

    def markdown(self) -> str:
        facts = self.facts()
        versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
        counts = {word: sum(c.passed is p for c in self.checks) for p, word in WORDS.items()}
        lines = [
            f"# gradcore on {facts['device']}",
            "",
            f"`python -m gradcore selftest --backend {facts['backend']}"
            f"{self.flags}`, {facts['date']}: "
            + ", ".join(f"{n} {word}" for word, n in counts.items())
            + f", in {sum(self.seconds.values()):.0f} s.",
            "",
            f"{facts['library']}; {versions}; {facts['system']}.",
        ]
        for part, seconds in self.seconds.items():
            lines += ["", f"## {part.capitalize()} ({seconds:g} s)", ""]
            lines += ["| check | | |", "| --- | --- | --- |"]
            for check in self.checks:
                if check.part == part:
                    detail = check.detail.replace("|", "\\|").replace("\n", " ")
                    lines.append(f"| {check.name} | {WORDS[check.passed]} | {detail} |")
        if rates := self.benchmarks.get("rates"):
            lines += [
                "",
                f"Floors are of {rates['matmul'] / 1e9:,.0f} GFLOP/s in large products of "
                f"matrices, and {rates['copy'] / 1e9:,.0f} GB/s in large copies, the best seen "
                "here. Ratios are of gradcore's time to PyTorch's, not compiled, and without TF32.",
            ]
        return "\n".join(lines) + "\n"
