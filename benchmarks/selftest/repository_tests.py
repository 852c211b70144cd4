"""The repository's tests on the backend, shared out to several processes."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .cases import LOST, Found, Given, as_json, is_lost

__all__ = ["FILES", "NEEDS_PYTEST", "run"]

ROOT = Path(__file__).parents[2]
NEEDS_PYTEST = "pip install pytest"
FILES = [
    "tests/backends/cupy",
    *(f"tests/backends/test_{name}.py" for name in ("base", "elementwise", "random_bits")),
    "tests/backends/test_kernels.py",
    "tests/replay",
    *(f"tests/functions/test_{name}.py" for name in ("attention", "convolution", "losses")),
    "tests/functions/test_normalization.py",
    "tests/array_api/special",
    "tests/optim/test_updates.py",
    "tests/optim/test_mixed.py",
    "tests/ops/test_op_table.py",
]
QUICK = ["tests/optim/test_updates.py", "tests/ops/test_op_table.py"]
FEW = ("Sigmoid", "Sum", "kernel")  # what the names of tests contain that --quick runs


class Share:
    """A plugin of pytest: runs a share of the tests that run on the backend, and tells of each.

    Args:
        skip: how many tests of the share to leave out.
    """

    def __init__(self, given: Given, skip: int) -> None:
        self.given, self.skip = given, skip
        self.outcome = "passed"

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        name, (k, n) = self.given.backend.name, self.given.shard
        chosen = [item for item in items if runs_on(item, name)]
        if self.given.quick:
            chosen = [item for item in chosen if any(word in item.name for word in FEW)]
        items[:] = chosen[k::n][self.skip :]
        self.given.tell(tests=len(items))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.given.tell(begin=nodeid)
        self.outcome = "passed"

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.skipped and self.outcome == "passed":
            self.outcome = "skipped"
        if report.failed:
            self.outcome = "failed"
            crash = getattr(report.longrepr, "reprcrash", None)
            said = str(crash.message if crash else report.longrepr).strip()
            text = "\n".join(report.longreprtext.splitlines()[-40:])
            found = Found(False, said.partition("\n")[0], text=text)
            self.given.tell(check=as_json(found, report.nodeid))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.given.tell(outcome=self.outcome, file=nodeid.partition("::")[0])
        if self.outcome == "failed" and is_lost(self.given):
            os._exit(LOST)


def runs_on(item: Any, name: str) -> bool:
    """Whether a test computes on the backend of this name; those beside PyTorch are left out."""
    if "torch" in item.name.partition("[")[0]:
        return False
    given = getattr(getattr(item, "callspec", None), "params", {})
    places = " ".join(str(given.get(x)) for x in ("backend", "on", "device"))
    return name in places.split() or "on_a_gpu" in item.name


def run(given: Given, skip: int) -> int:
    """Run this process's share of the tests; gives the exit status."""
    if not find_spec("pytest"):
        given.tell(check=as_json(Found(None, NEEDS_PYTEST), "tests"))
        return 0
    if not (ROOT / "tests").is_dir():
        given.tell(check=as_json(Found(None, f"there are no tests in {ROOT}"), "tests"))
        return 0
    os.environ["GRADCORE_TEST_BACKENDS"] = given.backend.name
    files = [file for file in (QUICK if given.quick else FILES) if (ROOT / file).exists()]
    arguments = ["-p", "no:cacheprovider", "--tb=short", "--no-header", "-q", *files]
    status = import_module("pytest").main(arguments, plugins=[Share(given, skip)])
    if status in (0, 1, 5):  # all passed, some failed, or this share is empty
        return 0
    return int(status)
